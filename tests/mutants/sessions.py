"""Mistakes at the beginning of a producer's session, and with copies that are too many."""

from __future__ import annotations

from typing import Any

from tests.mutants.registry import mutant, replace


@mutant("tests/unit/transport/test_outlet.py::test_partitions_are_opened_at_once_and_once")
def no_session_marker() -> None:
    """A session begins with data: if the first batch in flight is lost, the second may be taken without it."""
    from streams.transport.outlet import Outlet

    original = Outlet.__init__

    def begin(self: Outlet, *args: Any, marked: object = None, **kwargs: Any) -> None:
        original(self, *args, **kwargs)

    replace(Outlet, "__init__", begin)


@mutant("tests/unit/transport/test_outlet.py::test_a_session_begins_with_a_marker_that_is_awaited_alone")
def marker_not_awaited() -> None:
    """Data follows the marker while it is still on its way, so that it is as good as none."""
    from streams.marker import HEADERS
    from streams.transport.outlet import Outlet

    async def open_at_once(self: Outlet, partitions: Any) -> None:
        for topic, partition in partitions:
            if (topic, partition) not in self._begun:
                self._begun.add((topic, partition))
                self.put(topic, partition, None, None, HEADERS)

    replace(Outlet, "open", open_at_once)


@mutant("tests/unit/transport/test_ledger.py::test_markers_alone_do_not_pass_what_is_held_back")
def markers_pass_what_is_held() -> None:
    """A batch of markers alone is committed, although the handler holds back records before it."""
    from streams.transport.ledger import Ledger

    def advance(self: Ledger, source: Any, batch: Any) -> None:
        self.taken[source] = batch.mark.taken
        self._finished[source] = batch.mark

    replace(Ledger, "_advance", advance)


@mutant("tests/unit/streams/test_fresh.py::test_a_longer_run_stops_the_partition_and_says_what_to_do")
def copies_without_end() -> None:
    """No run of copies is too long: what an operator's reset brings is dropped, and nobody hears of it."""
    from streams.fresh import Replays

    original = Replays.__init__

    def unlimited(self: Replays, topic: str, limit: int) -> None:
        original(self, topic, 1 << 62)

    replace(Replays, "__init__", unlimited)
