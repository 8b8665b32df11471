"""The synthetic prober: one event a lane, from the producer through everything to a device, and how long each took."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import aiohttp
from lockstep_client import Closed, DeviceClient, Refused, Socket

from streams.histogram import Histogram
from streams.metrics import Metrics
from streams.topology import LaneChange, Topology
from streams.transport.client import PublishFailed

#: Upper ends of the buckets, s; the objective of each lane is one of them.
EDGES: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_LOST: Final = (Refused, Closed, PublishFailed, aiohttp.ClientError, OSError)
log = logging.getLogger(__name__)


class Probe(NamedTuple):
    """Who the device is and how events are published: `publish(event)` returns when the broker has it."""

    url: str
    device: str
    type: str
    token: Callable[[], str]
    publish: Callable[[Mapping[str, Any]], object]


class NoType(Exception):
    """A lane into which no event type leads, so nothing can be sent through it."""


def types_of(topology: Topology, device_type: str) -> dict[str, str]:
    """An event type for each lane that devices of this type are told of. Raises NoType."""
    found: dict[str, str] = {}
    for use_case in topology.use_cases.values():
        for name, rule in use_case.types.items():
            lane = rule.lane or use_case.lane
            if device_type in use_case.devices:
                found.setdefault(lane.now if isinstance(lane, LaneChange) else lane, name)
    missing = [lane for lane in topology.lane_names() if lane not in found]
    if missing:
        raise NoType(f"no event type of topics.yaml leads a {device_type} into lane {missing[0]}")
    return {lane: found[lane] for lane in topology.lane_names()}


class Prober:
    """Sends rounds and remembers what became of them."""

    def __init__(self, probe: Probe, types: Mapping[str, str], account: str, timeout: float) -> None:
        self._probe = probe
        self._types = types
        self._account = account
        self._timeout = timeout
        self.took = {lane: Histogram(EDGES) for lane in types}
        self.delivered = dict.fromkeys(types, 0)
        self.lost = dict.fromkeys(types, 0)
        self.why = ""
        self.last = time.monotonic()

    async def round(self) -> dict[str, float | None]:
        """Send one event through each lane; seconds from the publish to the device, None where it was lost."""
        found: dict[str, float | None] = dict.fromkeys(self._types)
        self.why = ""
        try:
            async with asyncio.timeout(self._timeout):
                await self._round(found)
        except* TimeoutError:
            self.why = f"not there within {self._timeout:g} s"
        except* _LOST as errors:
            self.why = _why(errors)
        self.last = time.monotonic()
        self._count(found)
        return found

    async def _round(self, found: dict[str, float | None]) -> None:
        probe = self._probe
        async with DeviceClient(probe.url, probe.device, probe.token()) as client:
            await client.register(probe.type, "1.2")
            async with client.connect() as socket:
                await self._listen(socket, found)

    async def _listen(self, socket: Socket, found: dict[str, float | None]) -> None:
        """Publish to all lanes at once when the socket is live, and wait for all of them meanwhile."""
        waiting: dict[str, tuple[str, float]] = {}
        async with asyncio.TaskGroup() as sending:
            async for frame in socket:
                if frame["type"] == "sync_end" and not waiting:
                    for lane, type_ in self._types.items():
                        id_ = uuid.uuid4().hex
                        waiting[id_] = lane, time.monotonic()
                        sending.create_task(asyncio.to_thread(self._probe.publish, self._event(type_, id_)))
                elif frame["type"] == "notification":
                    self._arrived(frame["item"], waiting, found)
                    await socket.ack()
                    if None not in found.values():
                        return
            self.why = "the socket was closed"

    def _arrived(
        self, item: Mapping[str, Any], waiting: Mapping[str, tuple[str, float]], found: dict[str, float | None]
    ) -> None:
        for id_ in item["events"]:
            lane, sent = waiting.get(id_, ("", 0.0))
            if lane and found[lane] is None:
                found[lane] = time.monotonic() - sent

    def _event(self, type_: str, id_: str) -> dict[str, Any]:
        """Only for the prober's device; nothing collapses, so that none supersedes another."""
        return {
            "id": id_,
            "source": "/lockstep/prober",
            "type": type_,
            "subject": self._account,
            "deviceids": self._probe.device,
            "collapsekey": id_,
            "data": {},
        }

    def _count(self, found: Mapping[str, float | None]) -> None:
        for lane, seconds in found.items():
            if seconds is None:
                self.lost[lane] += 1
                log.warning("a probe of lane %s was lost: %s", lane, self.why)
            else:
                self.delivered[lane] += 1
                self.took[lane].observe(seconds)


def _why(errors: BaseExceptionGroup[BaseException]) -> str:
    error = errors.exceptions[0]
    return _why(error) if isinstance(error, BaseExceptionGroup) else str(error) or type(error).__name__


def export(metrics: Metrics, prober: Prober) -> None:
    """The numbers of the prober, for /metrics."""
    metrics.histogram(
        "prober_latency_seconds",
        "Time from the publish of a synthetic event to its device.",
        ("lane",),
        lambda: {(lane,): took for lane, took in prober.took.items()},
    )
    metrics.labelled(
        "prober_probes",
        "Synthetic events, by what became of them.",
        ("lane", "outcome"),
        lambda: {
            (lane, outcome): float(counts[lane])
            for outcome, counts in (("delivered", prober.delivered), ("lost", prober.lost))
            for lane in counts
        },
    )
