"""The sink for sockets: one POST at a time to each gateway, all gateways at once, a status for each device."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from sinks import redis
from sinks.gateways import Gateways, connect_gateways
from sinks.parcels import Parcel, body, loads, parcels
from sinks.posts import Gateway, Posts, connect_http
from sinks.presence import Presence, Registration
from sinks.redis import RedisUnavailable
from sinks.results import Result, Sink
from sinks.together import Together
from streams.envelope import Push
from streams.stage import Stage

#: The statuses of the devices of a parcel, or why there are none.
Answer = list[int] | str
log = logging.getLogger(__name__)


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `socket`."""
    presence = Presence(await stage.resources.get(redis.reconnecting))
    gateways = await stage.resources.get(connect_gateways)
    posts = Posts(await stage.resources.get(connect_http), gateways)
    return SocketSink(posts, gateways, presence)


class SocketSink:
    """Sorts pushes by gateway. Nothing is tried again: a device that was missed reads its inbox."""

    def __init__(self, posts: Posts, gateways: Gateways, presence: Presence) -> None:
        self.statuses: Counter[str] = Counter()  # results by status, or why there was none
        self.forgotten = 0  # presence entries that were removed
        self._posts = posts
        self._gateways = gateways
        self._presence = presence
        self._lines: dict[Gateway, Together[Parcel, Answer]] = {}

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Deliver to all gateways at once; the failure of one is no other's."""
        sorted_ = parcels(pushes)
        await self._learn(sorted_)
        answers = await asyncio.gather(*(self._serve(gateway, own, pushes) for gateway, own in sorted_.items()))
        results = [result for found, _ in answers for result in found]
        self.statuses.update(result.detail or result.status for result in results)
        await self._forget([registration for _, gone in answers for registration in gone])
        return results

    async def _learn(self, wanted: Iterable[Gateway]) -> None:
        """A gateway that opened since the view was read may already hold devices."""
        if any(gateway.number not in self._gateways.incarnations for gateway in wanted):
            with suppress(RedisUnavailable):
                await self._gateways.refresh()

    async def _serve(
        self, gateway: Gateway, own: Sequence[Parcel], pushes: Sequence[Push]
    ) -> tuple[list[Result], list[Registration]]:
        results: list[Result] = []
        gone: list[Registration] = []
        for parcel, answer in zip(own, await self._line(gateway)(own), strict=True):
            if isinstance(answer, str):
                results += parcel.failed(answer)
            else:
                results += parcel.results(answer)
                gone += parcel.gone(answer, pushes)
        return results, gone

    def _line(self, gateway: Gateway) -> Together[Parcel, Answer]:
        """The way to a gateway, shared by the batches of all partitions. What leads to none is dropped."""
        if gateway not in self._lines:
            lives = self._gateways.incarnations
            self._lines = {at: line for at, line in self._lines.items() if lives.get(at.number) == at.incarnation}
            self._lines[gateway] = Together(partial(self._post, gateway))
        return self._lines[gateway]

    async def _post(self, gateway: Gateway, waiting: Sequence[Parcel]) -> list[Answer]:
        """What the gateway says of each parcel. After a POST that failed none is tried: what follows would arrive out
        of order."""
        answers: list[Answer] = []
        failure = ""
        for load in loads(waiting):
            sizes = [len(parcel.recipients) for parcel in load]
            answer = failure or await self._posts.send(gateway, body(gateway, load), sum(sizes))
            if isinstance(answer, str):
                failure = answer
                answers += [failure] * len(load)
                continue
            statuses = iter(answer)
            answers += [list(islice(statuses, size)) for size in sizes]
        return answers

    async def _forget(self, gone: Sequence[Registration]) -> None:
        """Remove presence that no gateway answers for; where a newer connection stands, it stays."""
        try:
            removed = await self._presence.remove_all(gone)
        except RedisUnavailable as error:
            log.warning("presence of %d devices that are gone stays for now: %s", len(gone), error)
        else:
            self.forgotten += sum(removed)
