"""The stage `push`: hands the pushes of a batch to the sink of its platform, and reports what became of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from typing import Literal, NamedTuple, Protocol

import msgspec

from streams.envelope import Push, decode_push
from streams.failpoints import reach
from streams.fresh import Fresh, Replays
from streams.outcomes import Outcome
from streams.stage import Batch, Handler, Stage

#: delivered: taken for the device; gone: it is not there any more, forget the way to it; later: try again, where the
#: platform has a retry topic; refused: never for this device.
Status = Literal["delivered", "gone", "later", "refused"]


class Result(NamedTuple):
    """What became of a push for one targeted device; `push` is its place in what was handed over."""

    push: int
    device: str
    status: Status
    detail: str = ""


class Sink(Protocol):
    """The way to one platform."""

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Try to deliver, once; one result for each target of each push, in any order. Never raises for a device."""


#: Makes the sink of a platform; named in topics.yaml by its dotted path.
SinkFactory = Callable[[Stage], Awaitable[Sink]]


async def stage(stage: Stage) -> Handler:
    """The handler for `push.<platform>.<lane>`."""
    module, _, name = stage.topology.platforms[stage.platform or ""].sink.rpartition(".")
    factory: SinkFactory = getattr(import_module(module), name)
    return Pusher(stage, await factory(stage)).handle


class Pusher:
    """Takes batches, drops copies, leaves out what is too late."""

    def __init__(self, stage: Stage, sink: Sink) -> None:
        self.sink = sink
        self._stage = stage
        replays = Replays(stage.topic("push.{platform}.{lane}"), stage.settings.limits.copies)
        self._fresh = Fresh(decode_push, stage.verify, replays)

    async def handle(self, batch: Batch) -> int:
        """Deliver and report the pushes above the watermark. A push that fails is over: the inbox has it."""
        fresh, copies = self._fresh.take(batch.partition, batch.watermark(), (record.value for record in batch.records))
        self._stage.metrics.copies += copies
        now = self._stage.now()
        pushes: list[Push] = []
        outcomes: list[Outcome] = []
        for push in fresh:
            late = now - min(push.deadline, push.expires)
            if late > 0 and push.targets:
                devices = tuple(target[0] for target in push.targets)
                outcomes.append(_undeliverable(push, devices, f"late: by {late} ms"))
                push = _number_only(push)
            pushes.append(push)
        reach("push.decoded")
        results = await self.sink.deliver(pushes)
        reach("push.posted")
        self._time(pushes, results)
        outcomes += report(pushes, results)
        self._stage.metrics.ended["pushed"] += answered(pushes, results)
        await self._stage.report(batch.partition, outcomes)
        return fresh[-1].seq if fresh else batch.watermark()

    def _time(self, pushes: Sequence[Push], results: Sequence[Result]) -> None:
        """Measure how long each device that was reached has waited since the event."""
        now, latency = self._stage.now(), self._stage.metrics.latency
        for result in results:
            if result.status == "delivered":
                latency.observe(max(0, now - pushes[result.push].time) / 1000)


def answered(pushes: Sequence[Push], results: Sequence[Result]) -> int:
    """How many pushes have a result for each of their targets."""
    given = Counter(result.push for result in results)
    return sum(given[number] == len(push.targets) for number, push in enumerate(pushes))


def report(pushes: Sequence[Push], results: Sequence[Result]) -> list[Outcome]:
    """One outcome for all devices of a push that fared alike, in order of position."""
    alike: dict[tuple[int, str], list[str]] = {}
    for number, device, status, detail in results:
        alike.setdefault((number, "" if status == "delivered" else detail or status), []).append(device)
    return [
        _undeliverable(pushes[number], tuple(devices), detail)
        if detail
        else Outcome("pushed", pushes[number].account, pushes[number].seq, tuple(devices), lane=pushes[number].lane)
        for (number, detail), devices in sorted(alike.items())
    ]


def _undeliverable(push: Push, devices: tuple[str, ...], detail: str) -> Outcome:
    return Outcome("undeliverable", push.account, push.seq, devices, detail, lane=push.lane)


def _number_only(push: Push) -> Push:
    """The push without its payload: connections move on, devices get nothing."""
    return msgspec.structs.replace(push, targets=(), others=(*push.targets, *push.others), payload=b"")
