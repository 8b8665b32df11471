"""The stage `route` with the real table `seen`: what is forgotten waits for the commit, in the positions of commits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agents.route import stage as route_stage
from streams.rows import decode_key
from streams.stage import Handler
from streams.tables import make_table
from streams.transport import make_app
from streams.transport.ledger import Ledger
from streams.transport.mark import Mark
from tests.unit.agents.test_route import PARTITION, event, record
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, at, make_stage

WINDOW = 600_000
BUCKET = WINDOW // 4
SOURCE = "ingest", PARTITION


class Life:
    """A router on a changelog; what it puts out goes on the broker, and nothing else of it survives."""

    def __init__(self, home: Path, committed: Mark | None, changelog: dict[bytes, bytes | None]) -> None:
        app: Any = make_app("router", "127.0.0.1:1", partitions=8, datadir=home)
        self.output = FakeOutput()
        self.ledger = Ledger()
        app.transport = SimpleNamespace(output=self.output)
        app._consumer = SimpleNamespace(ledger=self.ledger)
        self.table: Any = make_table("seen", app, partitions=8, window_ms=WINDOW, sources=["ingest"])
        state: Any = self.table.state_type(PARTITION, WINDOW)
        self.table.states[PARTITION] = state
        for key, value in changelog.items():
            state.read(key, value)
        state.settle()
        self.ledger.start(SOURCE, committed)
        self._handle: Handler | None = None

    async def route(self, *records: FakeRecord) -> Mark:
        """Send a batch through; what would be committed after it."""
        if self._handle is None:
            self._handle = await route_stage(make_stage("route", self.output, table=self.table))
        taken = await self._handle(FakeBatch("ingest", records, PARTITION))
        assert isinstance(taken, int)
        self.ledger.position[SOURCE] = records[-1].offset + 1
        return Mark(records[-1].offset + 1, taken, records[-1].timestamp)

    def changelog(self) -> dict[bytes, bytes | None]:
        """What it wrote, compacted."""
        return {sent.key or b"": sent.value for sent in self.output.to(self.table.changelog_topic_name)}


def plan(offset: int, id_: str, bucket: int) -> FakeRecord:
    """An event that is new at the time of its append, so many buckets after NOW."""
    return record(offset, event(id=id_), timestamp=NOW + bucket * BUCKET)


async def test_a_duplicate_is_one_in_a_replay_of_a_long_time(tmp_path: Path) -> None:
    """A backlog is read of which more than the window is not committed yet, and the worker dies: the first record of
    an id lies below the commit, its duplicate above it, and the replay knows it by the row."""
    log = [plan(0, "a", 0), plan(1, "a", 1), plan(2, "b", 6), plan(3, "c", 6)]
    first = Life(tmp_path, None, {})
    committed = await first.route(log[0])
    first.ledger.settle({SOURCE: committed})
    for later in log[1:]:
        await first.route(later)
    second = Life(tmp_path, committed, first.changelog())
    await second.route(*log[1:])
    assert [outcome.kind for outcome in second.output.outcomes()] == ["duplicate"]
    assert {decode_key(key).first for key, value in first.changelog().items() if value} == {0, 2, 3}


async def test_what_the_commit_has_passed_is_forgotten(tmp_path: Path) -> None:
    """The same backlog, committed: no record can meet what lies more than the window before it."""
    life = Life(tmp_path, None, {})
    for each in (plan(0, "a", 0), plan(1, "b", 6)):
        life.ledger.settle({SOURCE: await life.route(each)})
    assert life.ledger.committed[SOURCE].taken == at(1)
    await life.route(plan(2, "c", 6))
    assert [decode_key(key).first for key, value in life.changelog().items() if not value] == [0]
