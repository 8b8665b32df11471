"""Whether the edge lives and may be sent devices, and its numbers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from operator import attrgetter
from typing import Final

from edge.ingest.endpoint import Ingest
from edge.pull.endpoint import Pull
from edge.reports import Reports
from edge.sockets.gateway import Gateway
from edge.stores import STORE_ERRORS
from sinks.cassandra import Cassandra
from sinks.presence import Lease
from streams.client_metrics import ClientMetrics
from streams.health import Check
from streams.metrics import Metrics, build_info

#: The loop is stuck when it has not turned for so long, s.
STUCK_S: Final = 15.0
_LOOK_S: Final = 2.0
_QUESTION: Final = "SELECT key FROM system.local"


class Health:
    """Looks at the stores now and then; the probes only read what was found."""

    def __init__(self, gateway: Gateway, lease: Lease, cassandra: Cassandra) -> None:
        self._gateway = gateway
        self._lease = lease
        self._cassandra = cassandra
        self._turned = time.monotonic()
        self._trouble = "starting"

    def turned(self) -> None:
        """The loop has turned."""
        self._turned = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._trouble = await self._look()
            await asyncio.sleep(_LOOK_S)

    async def _look(self) -> str:
        try:
            await self._lease.renew()  # says also whether Redis is there
            await self._cassandra.execute(_QUESTION)
        except STORE_ERRORS as error:
            return str(error)
        return ""

    def live(self) -> Check:
        """A blip of a store must not restart all gateways: only a stuck loop does."""
        stuck = time.monotonic() - self._turned
        return Check(stuck < STUCK_S, "live" if stuck < STUCK_S else f"no turn of the loop for {stuck:.0f} s")

    def ready(self) -> Check:
        """Whether devices may be sent here."""
        trouble = "draining" if self._gateway.draining else self._trouble
        return Check(not trouble, trouble or "ready")


def export(
    gateway: Gateway, pull: Pull, reports: Reports, ingest: Ingest, stores: Iterable[ClientMetrics], metrics: Metrics
) -> None:
    """The numbers of the edge, for /metrics."""
    for store in stores:
        store.export(metrics)
    sessions, counts = gateway.sessions, gateway.sessions.counts
    build_info(metrics)
    for name, meaning, level in (
        ("edge_connections", "Open connections on the device port, not counting HTTP.", lambda: gateway.connections),
        ("edge_sessions", "Devices that are connected.", lambda: len(sessions)),
        ("edge_waits", "Long polls that wait.", lambda: len(pull.waits)),
        ("edge_load", "Share of the last seconds in which the loop computed.", lambda: pull.load.share),
        ("edge_hellos_waiting", "Hellos that wait for their turn.", lambda: len(gateway.hellos)),
        ("edge_events_waiting", "Events that came over HTTP and wait for Kafka's word.", lambda: ingest.waiting),
        ("edge_outcomes_waiting", "Outcomes that wait for Kafka's word.", lambda: reports.waiting),
    ):
        metrics.gauge(name, meaning, level)
    for name, meaning in _COUNTS.items():
        metrics.counter(f"edge_{name}", meaning, partial(getattr, counts, name))
    for name, meaning, count in (
        ("edge_accepted", "Connections accepted on the device port, HTTP too.", lambda: gateway.accepted),
        ("edge_pull_pages", "Pages that were pulled.", lambda: pull.pages),
        ("edge_pull_unchanged", "Pulls that were answered with 304.", lambda: pull.unchanged),
        ("edge_pull_known", "Pulls whose heads were known without asking Redis.", lambda: pull.known),
        ("edge_pull_refused", "Pulls refused because too many pages were read at once.", lambda: pull.refused),
        ("edge_outcomes", "Outcomes that Kafka took.", lambda: reports.reported),
        ("edge_outcomes_dropped", "Outcomes dropped while Kafka took none.", lambda: reports.dropped),
    ):
        metrics.counter(name, meaning, count)
    for name, meaning in _EVENTS.items():
        metrics.counter(f"edge_events_{name}", meaning, partial(attrgetter(f"counts.{name}"), ingest))
    metrics.labelled(
        "edge_ack_codes", "Codes that devices gave of single items in acks.", ("code",), lambda: reports.codes
    )


_COUNTS: Final = {
    "hellos": "Good hellos.",
    "replaced": "Connections replaced by another one of the same device.",
    "delivered": "Notifications pushed to live sessions.",
    "backlog": "Notifications sent from the inbox.",
    "copies": "Pushes at or below a session's position.",
    "expired": "Pushes whose notification's life was over.",
    "missing": "Pushes for devices that are not here.",
    "refused": "Pushes refused while a session read its inbox.",
    "holes": "Sessions turned to sync because a push was missed.",
    "slow": "Sessions turned to sync because the device did not read.",
    "swept": "Sessions turned to sync because a sweep found them behind the heads.",
    "syncs": "Times that a session read its inbox.",
    "flooded": "Connections closed because the device sent more frames than it may.",
    "acks": "Acks of devices.",
}
_EVENTS: Final = {
    "taken": "Events that came over HTTP and lie in Kafka.",
    "refused": "Events over HTTP that lockstep or their producer's rights refuse.",
    "limited": "Events over HTTP refused for their rate, or because too many wait.",
    "failed": "Events over HTTP that Kafka did not take in time.",
}
