"""What follows from the results of a provider: tokens are forgotten, pushes are tried again through the retry topic."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from msgspec.structs import replace

from sinks import cassandra, redis
from sinks.backoff import pause
from sinks.cassandra import CassandraUnavailable
from sinks.devices import Registry
from sinks.redis import RedisUnavailable
from sinks.results import Result
from streams.envelope import Push, encode
from streams.stage import Stage

#: The topics of what is to be tried again.
RETRIES: Final = "push.{platform}.{lane}.retry"
#: So many tokens are forgotten at the same time.
AT_ONCE: Final = 64
log = logging.getLogger(__name__)


class Forgetful(Protocol):
    """A registry that can forget how to wake a device."""

    async def forget(self, account: str, device: str, token: str, at: int) -> bool:
        """Forget the token, unless another one stands, or it was registered after `at` (ms; 0: at any time)."""


async def open_settler(stage: Stage) -> Settler:
    """The settler of a stage, on the resources of its worker."""
    rows = await stage.resources.get(cassandra.connect)
    memory = await stage.resources.get(redis.reconnecting)
    return Settler(stage, await Registry.open(rows, memory, stage.topology))


class Settler:
    """Serves the stages `push` and `retry` of one platform and lane."""

    delivered: Final = "accepted"

    def __init__(self, stage: Stage, registry: Forgetful, chance: Callable[[], float] | None = None) -> None:
        """`chance` draws from [0, 1)."""
        self.forgotten = 0
        self._stage = stage
        self._registry = registry
        self._topic = stage.topic(RETRIES)
        self._chance = chance or _chance

    async def settle(self, partition: int, pushes: Sequence[Push], results: Sequence[Result]) -> Sequence[Result]:
        """Put what is to be tried again, forget what is gone; the results, which say when the next attempt is.

        A registry that is away keeps its tokens: the next push to them is told again that they are gone.
        """
        gone = [(pushes[result.push], result) for result in results if result.status == "gone"]
        queue = iter(gone)
        await asyncio.gather(*(self._forget_all(queue) for _ in range(min(AT_ONCE, len(gone)))))
        return [
            await self._again(partition, pushes[result.push], result) if result.status == "later" else result
            for result in results
        ]

    async def _forget_all(self, queue: Iterator[tuple[Push, Result]]) -> None:
        """One after the other, until there is no more or the registry is away: a batch waits for it once."""
        for push, result in queue:
            token = push.tokens[_place(push, result.device)].decode(errors="replace")
            try:
                done = await self._registry.forget(push.account, result.device, token, result.at)
            except (CassandraUnavailable, RedisUnavailable) as error:
                log.warning("the token of device %s, and others maybe, stay for now: %s", result.device, error)
                return
            self.forgotten += done

    async def _again(self, partition: int, push: Push, result: Result) -> Result:
        """Queue one device's push for its next attempt, if there is time for one."""
        attempt = push.attempt + result.tried
        due = self._stage.now() + pause(attempt, result.after, self._chance())
        last = push.expires if result.sync else min(push.deadline, push.expires)
        if due > last:
            return replace(result, detail=f"{result.detail}; no time for another attempt")
        key, value = push.account.encode(), encode(single(push, result, attempt, due))
        try:
            self._stage.output.put(self._topic, partition, key, value)
        except BufferError:
            await self._stage.output.send(self._topic, partition, key, value)
        return replace(result, detail=f"{result.detail}; attempt {attempt + 1} at {due}")


def single(push: Push, result: Result, attempt: int, due: int) -> Push:
    """The push for one device alone, to be tried at `due`; without its content where it has become a wake-up."""
    place = _place(push, result.device)
    changes = {"targets": (push.targets[place],), "tokens": (push.tokens[place],), "attempt": attempt, "due": due}
    if result.sync:
        changes |= {"wake": "sync", "payload": b"", "deadline": push.expires}
    return replace(push, others=(), **changes)


def _place(push: Push, device: str) -> int:
    return next(place for place, target in enumerate(push.targets) if target[0] == device)


def _chance() -> float:
    return secrets.randbelow(1 << 20) / (1 << 20)
