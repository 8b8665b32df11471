"""The tables `seen` and `latest`: state of stages, kept in memory and made whole again from a changelog topic."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple

import faust

from streams.failpoints import reach
from streams.latest import LatestEntry, LatestState, LatestVerdict
from streams.rows import BadRow
from streams.seen import SeenEntry, SeenState, SeenVerdict
from streams.stage import PartitionStopped
from streams.state import E, State, V

__all__ = [
    "CorruptChangelog", "Full", "Latest", "LatestEntry", "LatestVerdict", "NotOurs", "Seen", "SeenEntry", "SeenVerdict",
    "make_table",
]  # fmt: skip

log = logging.getLogger(__name__)
#: Rows deleted with each batch, at most: several times what a batch writes, so that old rows go, but not all at once.
DELETED_PER_BATCH: Final = 16


class CorruptChangelog(Exception):
    """A row of a changelog cannot be read: the state would have a hole, so the worker does not start."""


class NotOurs(Exception):
    """A stage judged records of a partition whose state this process does not hold."""


class Full(NamedTuple):
    """How many entries of a partition are held at most, and what happens then.

    `forget`: the oldest quarter of the window goes early, and what it knew takes effect again. `stop`: the partition.
    """

    most: int
    then: Literal["forget", "stop"] = "forget"


class _Table(faust.Table, Generic[E, V]):
    """A Faust table whose rows live in the changelog alone: the store behind it stays empty, indexes take its place.

    Line numbers are those of faust-streaming 0.15.3.
    """

    state_type: ClassVar[type[State[Any, Any]]]

    def __init__(
        self, app: Any, *, name: str, partitions: int, window_ms: int, sources: Sequence[str], full: Full | None
    ) -> None:
        super().__init__(app, name=name, partitions=partitions, key_type=bytes, value_type=bytes, store="memory://")
        self.window_ms = window_ms
        self.sources = tuple(sources)
        self.full = full
        self.early_drops = 0
        self.states: dict[int, State[E, V]] = {}
        self.rows_read = 0
        self.bad_rows = 0

    # -- for stages

    async def judge(self, partition: int, entries: Sequence[E]) -> list[V]:
        """A verdict for each entry, in order. What passes is remembered, and its row is put before this returns.

        Raises NotOurs outside of an assignment, PartitionStopped where no more entries may be held.
        """
        state = self.states.get(partition)
        if state is None:
            raise NotOurs(f"table {self.name}: partition {partition} is not assigned to this process")
        output, topic = self.app.transport.output, self.changelog_topic_name
        state.release(self._committed(partition))
        self._make_room(state, len(entries))
        dropped = state.early_drops
        verdicts, rows = state.judge(entries)
        reach("table.judged")
        self._note_drops(state, state.early_drops - dropped)
        for key, value in rows:
            await output.send(topic, partition, key, value)
        for key in state.dead_rows(DELETED_PER_BATCH):
            await output.send(topic, partition, key, None)
        reach("table.logged")
        return verdicts

    def _make_room(self, state: State[E, V], more: int) -> None:
        if self.full is not None and self.full.then == "stop" and len(state) + more > self.full.most:
            raise PartitionStopped(f"table {self.name}: {len(state)} entries, at most {self.full.most} may be held")

    def _note_drops(self, state: State[E, V], drops: int) -> None:
        self.early_drops += drops
        if drops and self.full is not None:
            message = "table %s partition %d: more than %d entries, the oldest went early: repeats of them take effect"
            log.warning(message, self.name, state.partition, self.full.most)

    def entries(self) -> int:
        """Entries held, of all partitions. From any thread."""
        return sum(len(state) for state in list(self.states.values()))

    def memory(self) -> int:
        """Bytes held, of all partitions. From any thread."""
        return sum(state.nbytes for state in list(self.states.values()))

    def _committed(self, partition: int) -> int:
        """The position up to which every source has committed all that it has; -1 where that is unknown."""
        ledger = self.app.consumer.ledger
        places = [(topic, partition) for topic in self.sources]
        marks = [(ledger.committed.get(place), ledger.position.get(place)) for place in places]
        busy = [mark for mark, at in marks if at is not None and (mark is None or mark.offset < at)]
        counted = busy or [mark for mark, _ in marks if mark is not None]
        taken = [-1 if mark is None else mark.taken for mark in counted]
        if not taken:
            return -1
        return int(min(taken) if busy else max(taken))

    # -- for Faust

    def apply_changelog_batch(self, batch: Sequence[Any]) -> None:
        """Read rows in recovery, some of them again after each rebalance. Faust logs and drops what is raised here
        (tables/recovery.py:916), and hands on records of unknown topics (:868)."""
        try:
            ours = [event.message for event in batch if event.message.topic == self.changelog_topic_name]
            ours.sort(key=lambda message: message.partition)
            for partition, messages in groupby(ours, lambda message: message.partition):
                if partition in self.states:
                    self._read(self.states[partition], messages)
        except Exception as error:
            self.app.transport.fail(error)

    def read_ahead(self, partition: int, records: Sequence[Any]) -> None:
        """Read rows that Faust is told of by the last of their poll alone: its own way takes 150 us a record."""
        try:
            if partition in self.states:
                self._read(self.states[partition], records)
        except Exception as error:
            self.app.transport.fail(error)

    def _read(self, state: State[E, V], messages: Any) -> None:
        for message in messages:
            self.rows_read += 1
            reach("recovery.read")
            try:
                state.read(message.key, message.value)
            except BadRow as bad:
                self.bad_rows += 1
                where = f"{message.topic}[{message.partition}] at offset {message.offset}"
                self.app.transport.fail(CorruptChangelog(f"{where}: {bad}"))
        dropped = state.early_drops
        state.settle()
        self._note_drops(state, state.early_drops - dropped)

    async def on_rebalance(
        self, assigned: set[Any], revoked: set[Any], newly_assigned: set[Any], generation_id: int = 0
    ) -> None:
        """Drop what has gone, and begin with nothing, from the beginning of the changelog, what has come.

        Faust itself may return before it forgets how far a revoked partition was read (tables/recovery.py:232), or note
        a record left in the queue from before as read (:871): each would leave a hole in a partition that comes back.
        """
        self.app.tables.changelog_queue.clear()
        for tp in revoked | newly_assigned:
            if tp.topic == self.changelog_topic_name:
                self.states.pop(tp.partition, None)
                self.app.tables.recovery.revoke(tp)
        for tp in newly_assigned:
            if tp.topic == self.changelog_topic_name:
                most = self.full.most if self.full is not None and self.full.then == "forget" else None
                self.states[tp.partition] = self.state_type(tp.partition, self.window_ms, most)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    @property
    def changelog_topic_name(self) -> str:
        """Faust's name for it, which `streams.topology.changelog` knows too."""
        name: str = self.changelog_topic.get_topic_name()
        return name


class Seen(_Table[SeenEntry, SeenVerdict]):
    """Which event ids took effect within the window."""

    state_type = SeenState


class Latest(_Table[LatestEntry, LatestVerdict]):
    """The newest version of each line of notifications within the window."""

    state_type = LatestState


_KINDS: Final[dict[str, type[_Table[Any, Any]]]] = {"seen": Seen, "latest": Latest}


def make_table(
    name: str, app: Any, *, partitions: int, window_ms: int, sources: Sequence[str], full: Full | None = None
) -> Seen | Latest:
    """The table of that name, added to an app that has its transport.

    `partitions` is that of all topics, `sources` are the full names of the topics whose records are judged, `full`
    bounds each partition.
    Raises KeyError for a name that no class stands for.
    """
    table = _KINDS[name](app, name=name, partitions=partitions, window_ms=window_ms, sources=sources, full=full)
    app.tables.add(table)
    return table
