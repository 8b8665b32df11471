"""The sink for sockets: one POST at a time to each gateway, all gateways at once, a status for each device."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

import msgspec

from sinks import redis, wire
from sinks.gateways import Gateways, connect_gateways
from sinks.posts import Gateway, Posts, connect_http
from sinks.presence import Presence, Registration
from sinks.redis import RedisUnavailable
from sinks.results import Result, Sink
from sinks.together import Together
from sinks.wire import NOT_HERE, TAKEN, TURNED_TO_SYNC, Delivery, Note
from streams.envelope import Push, notification_id
from streams.stage import Stage

#: A POST is full at so many payload bytes or notes; a note larger than that has one of its own.
MAX_BYTES: Final = 1 << 20
MAX_NOTES: Final = 512
_WHY: Final = {NOT_HERE: "not-here", TURNED_TO_SYNC: "syncing"}
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
        self.statuses.update([result.detail or result.status for result in results])
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


class Recipient(msgspec.Struct, gc=False):
    """A device in a parcel, in the order of the gateway's statuses. `push` is the place of its push in the batch."""

    push: int
    device: str
    epoch: int
    targeted: bool


class Parcel:
    """What a batch has for one gateway; no more than one POST carries."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.recipients: list[Recipient] = []
        self.size = 0

    def failed(self, why: str) -> list[Result]:
        """The results where the gateway gave no statuses."""
        return [Result(r.push, r.device, "later", why) for r in self.recipients if r.targeted]

    def results(self, statuses: Sequence[int]) -> list[Result]:
        """The results by the gateway's statuses."""
        return [
            _result(recipient, status)
            for recipient, status in zip(self.recipients, statuses, strict=True)
            if recipient.targeted
        ]

    def gone(self, statuses: Sequence[int], pushes: Sequence[Push]) -> list[Registration]:
        """Presence that the gateway knows nothing of."""
        return [
            Registration(pushes[r.push].account, r.device, r.epoch)
            for r, status in zip(self.recipients, statuses, strict=True)
            if status == NOT_HERE
        ]


def parcels(pushes: Sequence[Push]) -> Mapping[Gateway, list[Parcel]]:
    """The parcels of each gateway, in order of position: they must leave one after the other."""
    sorted_: dict[tuple[int, int], list[Parcel]] = {}
    for number, push in enumerate(pushes):
        for at, recipients in _by_gateway(number, push).items():
            note = _note(push, recipients)
            size = len(note.payload)
            own = sorted_.setdefault(at, [])
            if not own or own[-1].size + size > MAX_BYTES or len(own[-1].notes) == MAX_NOTES:
                own.append(Parcel())
            own[-1].notes.append(note)
            own[-1].recipients += recipients
            own[-1].size += size
    return {Gateway(*at): own for at, own in sorted_.items()}


def loads(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    """Parcels for one gateway, of one batch or of several, as they share POSTs."""
    load: list[Parcel] = []
    size = notes = 0
    for parcel in parcels:
        size += parcel.size
        notes += len(parcel.notes)
        if load and (size > MAX_BYTES or notes > MAX_NOTES):
            yield load
            load, size, notes = [], parcel.size, len(parcel.notes)
        load.append(parcel)
    if load:
        yield load


def body(gateway: Gateway, load: Sequence[Parcel]) -> bytes:
    """The body of a POST."""
    notes = [note for parcel in load for note in parcel.notes]
    return wire.encode_delivery(Delivery(gateway.number, gateway.incarnation, notes))


def _by_gateway(number: int, push: Push) -> dict[tuple[int, int], list[Recipient]]:
    """Targets before others, as the gateway answers."""
    found: dict[tuple[int, int], list[Recipient]] = {}
    for targeted, paths in ((True, push.targets), (False, push.others)):
        for device, gateway, incarnation, epoch in paths:
            found.setdefault((gateway, incarnation), []).append(Recipient(number, device, epoch, targeted))
    return found


def _note(push: Push, recipients: Sequence[Recipient]) -> Note:
    targets = tuple([r.device for r in recipients if r.targeted])
    return Note(  # in the order of its fields: by name it takes six times as long
        notification_id(push.seq, push.partition, push.topic_id),
        push.account,
        push.type,
        push.lane,
        push.seq,
        push.prev,
        push.time,
        push.expires,
        push.events,
        push.content_type,
        push.payload if targets else b"",
        targets,
        tuple([r.device for r in recipients if not r.targeted]),
    )


def _result(recipient: Recipient, status: int) -> Result:
    if status == TAKEN:
        return Result(recipient.push, recipient.device, "delivered")
    if status == NOT_HERE:
        return Result(recipient.push, recipient.device, "gone", _WHY[status])
    if status == TURNED_TO_SYNC:
        return Result(recipient.push, recipient.device, "later", _WHY[status])
    return Result(recipient.push, recipient.device, "refused", f"status {status}")
