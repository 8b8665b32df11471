"""The stage `push`: hands the pushes of a batch to the sink of its platform, and does what the results ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import msgspec

from sinks.opening import Opening
from sinks.paths import SOCKET
from sinks.results import Aftermath, Result, Sink, SinkFactory
from sinks.seal import Seal
from sinks.settle import RETRIES, open_settler
from streams.envelope import Push, decode_push
from streams.failpoints import reach
from streams.fresh import Fresh, Replays
from streams.outcomes import Kind, Outcome
from streams.stage import Batch, Handler, Stage


async def open_sink(stage: Stage) -> Sink:
    """The sink of the stage's platform. Raises BadTokenKeys, and what the sink's factory raises."""
    module, _, name = stage.topology.platforms[stage.platform or ""].sink.rpartition(".")
    factory: SinkFactory = getattr(import_module(module), name)
    sink = await factory(stage)
    if stage.platform == SOCKET:
        return sink
    return Opening(sink, Seal(stage.settings.registry.token_keys))


async def stage(stage: Stage) -> Handler:
    """The handler for `push.<platform>.<lane>`."""
    aftermath: Aftermath = Inbox()
    if stage.platform in stage.topology.platforms_of(RETRIES):
        aftermath = await open_settler(stage)
    return Pusher(stage, await open_sink(stage), aftermath).handle


class Inbox:
    """The aftermath of sockets: nothing is tried again, what failed is in the inbox."""

    delivered: Final = "pushed"

    async def settle(self, partition: int, pushes: Sequence[Push], results: Sequence[Result]) -> Sequence[Result]:
        """The results as they are."""
        return results


class Pusher:
    """Takes batches, drops copies, leaves out what is too late."""

    def __init__(self, stage: Stage, sink: Sink, aftermath: Aftermath) -> None:
        self.sink = sink
        self._stage = stage
        self._aftermath = aftermath
        replays = Replays(stage.topic("push.{platform}.{lane}"), stage.settings.limits.copies)
        self._fresh = Fresh(decode_push, stage.verify, replays)

    async def handle(self, batch: Batch) -> int:
        """Deliver and report the pushes above the watermark. A push that fails is over: the inbox has it."""
        fresh, copies = self._fresh.take(batch.partition, batch.watermark(), (record.value for record in batch.records))
        self._stage.metrics.copies += copies
        pushes, outcomes = in_time(fresh, self._stage.now())
        reach("push.decoded")
        results = await self.sink.deliver(pushes)
        reach("push.posted")
        self._time(pushes, results)
        said = await self._aftermath.settle(batch.partition, pushes, results)
        outcomes += report(pushes, said, self._aftermath.delivered)
        self._stage.metrics.ended["pushed"] += answered(pushes, results)
        await self._stage.report(batch.partition, outcomes)
        return fresh[-1].seq if fresh else batch.watermark()

    def _time(self, pushes: Sequence[Push], results: Sequence[Result]) -> None:
        """Measure how long each device that was reached has waited since the event."""
        now, latency = self._stage.now(), self._stage.metrics.latency
        for result in results:
            if result.status == "delivered":
                latency.observe(max(0, now - pushes[result.push].time) / 1000)


def in_time(pushes: Sequence[Push], now: int) -> tuple[list[Push], list[Outcome]]:
    """The pushes at `now` (ms), those that are too late without payload and targets; outcomes of these."""
    kept: list[Push] = []
    outcomes: list[Outcome] = []
    for push in pushes:
        late = now - min(push.deadline, push.expires)
        if late > 0 and push.targets:
            devices = tuple(target[0] for target in push.targets)
            outcomes.append(undeliverable(push, devices, f"late: by {late} ms"))
            push = _number_only(push)
        kept.append(push)
    return kept, outcomes


def answered(pushes: Sequence[Push], results: Sequence[Result]) -> int:
    """How many pushes have a result for each of their targets."""
    given = Counter(result.push for result in results)
    return sum(given[number] == len(push.targets) for number, push in enumerate(pushes))


def report(pushes: Sequence[Push], results: Sequence[Result], delivered: Kind) -> list[Outcome]:
    """One outcome for all devices of a push that fared alike, in order of position.

    `delivered` is what may be said of a device that the platform took it for.
    """
    alike: dict[tuple[int, str], list[str]] = {}
    for result in results:
        why = "" if result.status == "delivered" else result.detail or result.status
        alike.setdefault((result.push, why), []).append(result.device)
    return [
        undeliverable(pushes[number], tuple(devices), detail)
        if detail
        else Outcome(delivered, pushes[number].account, pushes[number].seq, tuple(devices), lane=pushes[number].lane)
        for (number, detail), devices in sorted(alike.items())
    ]


def undeliverable(push: Push, devices: tuple[str, ...], detail: str) -> Outcome:
    """What is said of devices that were not reached: not the end, the inbox has it."""
    return Outcome("undeliverable", push.account, push.seq, devices, detail, lane=push.lane)


def _number_only(push: Push) -> Push:
    """The push without its payload: connections move on, devices get nothing."""
    others = (*push.targets, *push.others)
    return msgspec.structs.replace(push, targets=(), tokens=(), others=others, payload=b"")
