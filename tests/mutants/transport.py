"""Mistakes of the transport: what is committed, when, and with which watermark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.mutants.registry import mutant, replace

LOSSES = "tests/unit/transport/test_losses.py"
GAPLESS = "tests/integration/transport/test_gapless.py"
WATERMARK = "tests/models/test_watermark.py::test_every_event_is_taken_once_and_in_order"


@mutant(f"{LOSSES}::test_a_commit_waits_for_its_outputs")
def commit_before_produce() -> None:
    """Offsets are committed without waiting for the outputs."""
    from streams.transport.consumer import BatchConsumer

    async def commit(self: Any, marks: Mapping[Any, Any]) -> bool:
        committed = await self._thread.commit(marks)
        self.ledger.settle(committed)
        return bool(committed)

    replace(BatchConsumer, "_flush_and_commit", commit)


@mutant(f"{LOSSES}::test_failing_deliveries_commit_nothing")
def delivery_error_swallowed() -> None:
    """A record that the broker refused counts as delivered."""
    from streams.transport.outlet import Outlet

    replace(Outlet, "_on_delivery", lambda self, error, message: None)


@mutant(f"{LOSSES}::test_a_handler_that_raises_takes_nothing_with_it")
def exception_swallowed() -> None:
    """A batch whose handler raised counts as handled."""
    from streams.transport import agents

    original = agents.add_agent

    def add_agent(app: Any, name: str, topic: str, handler: Any) -> None:
        async def calm(batch: Any) -> int:
            try:
                taken: int = await handler(batch)
            except ValueError:
                return -1
            return taken

        original(app, name, topic, calm)

    import streams.transport

    replace(agents, "add_agent", add_agent)
    replace(streams.transport, "add_agent", add_agent)


@mutant("tests/unit/transport/test_agents.py::test_a_partition_that_waits_holds_up_no_other")
def batches_of_a_partition_at_once() -> None:
    """A batch begins while the one before it in its partition is in work."""
    from streams.transport import agents

    async def at_once(before: object) -> None:
        return None

    replace(agents, "_end_of", at_once)


@mutant(f"{LOSSES}::test_nothing_is_handed_out_between_the_seek_and_the_flow")
def handed_out_before_the_flow() -> None:
    """Batches are handed out as soon as their partition is sought, when Faust still empties the queues of agents."""
    from streams.transport.consumer import BatchConsumer

    original = BatchConsumer.perform_seek

    async def perform_seek(self: Any) -> None:
        await original(self)
        self._sought = self._sought | self._seeking

    replace(BatchConsumer, "perform_seek", perform_seek)


@mutant("tests/unit/transport/test_ledger.py::test_the_mark_is_that_of_the_last_batch_before_the_first_unfinished")
def watermark_of_the_moment() -> None:
    """The commit carries the highest position taken so far, not that below the committed offset."""
    from streams.transport.ledger import Ledger

    original = Ledger.committable

    def committable(self: Ledger) -> dict[Any, Any]:
        found = original(self)
        highest = {source: max(batch.mark.taken for batch in out) for source, out in self._out.items() if out}
        return {s: at._replace(taken=max(at.taken, highest.get(s, -1))) for s, at in found.items()}

    replace(Ledger, "committable", committable)


@mutant(WATERMARK)
def watermark_restored_too_high() -> None:
    """The committed offset of a topic is taken for a position, which it exceeds once there were copies."""
    from streams.transport.ledger import Ledger

    original = Ledger.start

    def start(self: Ledger, source: Any, mark: Any) -> None:
        original(self, source, mark)
        if mark is not None:
            self.taken[source] = max(mark.taken, mark.offset)

    replace(Ledger, "start", start)


@mutant(WATERMARK)
def watermark_not_restored() -> None:
    """A life begins at the committed offset and knows nothing of what was taken below it."""
    from streams.transport import mark, thread

    def unknown(offset: int, metadata: str | None, origin: str = "") -> mark.Mark:
        return mark.Mark(offset, mark.NOTHING_TAKEN)

    replace(mark, "decode_metadata", unknown)
    replace(thread, "decode_metadata", unknown)


@mutant("tests/models/test_watermark.py::test_what_is_left_of_a_batch_after_a_seek_counts_for_nothing")
def old_batch_counts() -> None:
    """A batch that was handed out before a seek raises the watermark when it is done."""
    from streams.transport.ledger import Ledger

    original = Ledger.finish

    def finish(self: Ledger, batch: Any) -> None:
        original(self, batch)
        self.taken[batch.source] = max(batch.mark.taken, self.taken.get(batch.source, -1))

    replace(Ledger, "finish", finish)


@mutant("tests/integration/transport/test_patience.py::test_a_broker_that_is_away_leaves_no_hole")
def finite_message_timeout() -> None:
    """A record that waits for a broker is given up after a second and a half, and the next one takes its place."""
    _outlet({"message.timeout.ms": 1500})


@mutant(f"{GAPLESS}::test_nothing_is_appended_behind_a_fatal_error")
def no_gapless_guarantee() -> None:
    """The producer goes on behind a batch that failed for good."""
    _outlet({"enable.gapless.guarantee": False})


def _outlet(changes: Mapping[str, object]) -> None:
    from streams.transport import outlet

    replace(outlet, "GAPLESS", {**outlet.GAPLESS, **changes})


@mutant("tests/unit/transport/test_arrivals.py::test_nothing_of_an_earlier_assignment_is_used")
def records_of_an_earlier_assignment_used() -> None:
    """What was on its way when the partitions were sought is handed out ahead of what the seek brings."""
    from streams.transport.arrivals import Arrivals

    original = Arrivals.arrive

    def arrive(self: Any, number: int, found: Any) -> None:
        original(self, self._number, found)

    replace(Arrivals, "arrive", arrive)


@mutant("tests/unit/transport/test_intake.py::test_a_record_belongs_to_the_assignment_in_force_when_it_was_read")
def assignment_told_of_instead_of_read() -> None:
    """A read that waits while the next assignment is told counts as one of that."""
    from streams.transport.intake import Intake

    original = Intake.assign

    def assign(self: Any, positions: Any) -> int:
        self._reading = original(self, positions)
        return int(self._reading)

    replace(Intake, "assign", assign)
