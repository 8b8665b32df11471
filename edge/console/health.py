"""Whether the console lives, and its numbers."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from edge.console.index.store import Index, State
from edge.console.sessions import Sessions
from streams.health import Check
from streams.metrics import Metrics, build_info

#: The loop is stuck when it has not turned for so long, s.
STUCK_S: Final = 15.0


class Health:
    """The probes read what the loop has noted. A console without its stores is ready: it says what is away."""

    def __init__(self, sessions: Sessions, index: Index) -> None:
        self._sessions = sessions
        self._index = index
        self._turned = time.monotonic()

    async def run(self) -> None:
        """Note until cancelled that the loop turns."""
        while True:
            self._turned = time.monotonic()
            await asyncio.sleep(1)

    def live(self) -> Check:
        """Only a stuck loop makes it worth a restart."""
        stuck = time.monotonic() - self._turned
        return Check(stuck < STUCK_S, "live" if stuck < STUCK_S else f"no turn of the loop for {stuck:.0f} s")

    def ready(self) -> Check:
        """Whether people may be sent here."""
        live = self.live()
        return Check(live.good, "ready" if live.good else live.why)

    def export(self, metrics: Metrics) -> None:
        """The numbers of the console, for /metrics."""
        build_info(metrics)
        metrics.gauge("console_sessions", "Operators' sessions that are open.", lambda: len(self._sessions))
        metrics.gauge("console_index_bytes", "Bytes of the search index on disk.", lambda: self._state().nbytes)
        metrics.gauge("console_index_behind_records", "Records not in the index yet.", lambda: self._state().behind)

    def _state(self) -> State:
        return self._index.state(int(time.time() * 1000))
