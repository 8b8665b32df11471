"""`latest` through crashes, zombies and replays: the newest of each line arrives, what was superseded never does."""

import pytest

from streams import state
from streams.latest import LatestEntry, LatestState
from tests.models.lives import WINDOW, LogRecord, Run, position_of


def entry(offset: int, record: LogRecord, now: int) -> LatestEntry:
    """A record as `notify` sees it."""
    return LatestEntry((record.name + 1).to_bytes(12, "little"), record.version, position_of(offset), now)


def superseded(log: list[LogRecord]) -> set[int]:
    """Offsets that are superseded when nothing goes wrong."""
    verdicts, _ = LatestState(3, WINDOW).judge([entry(i, record, record.time) for i, record in enumerate(log)])
    return {i for i, verdict in enumerate(verdicts) if verdict.superseded}


@pytest.mark.parametrize(("few", "runs"), [(0, 25), (24, 80)])
def test_the_newest_arrives_and_what_was_superseded_does_not(
    few: int, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With entries judged one by one, and with entries judged all at once."""
    monkeypatch.setattr(state, "_FEW", few)
    for seed in range(runs):
        run = Run(seed, lambda: LatestState(3, WINDOW), entry)
        taken = set(run.taken())
        assert taken.isdisjoint(superseded(run.log)), seed
        for name in {record.name for record in run.log}:
            newest = max(record.version for record in run.log if record.name == name)
            assert any(run.log[i].name == name and run.log[i].version == newest for i in taken), seed


def test_forgetting_before_the_commit_is_found() -> None:
    """The check is able to fail: a state that drops by the record in hand lets superseded ones through."""
    runs = (Run(seed, lambda: LatestState(3, WINDOW), entry, eager=True) for seed in range(2000))
    assert any(not superseded(run.log).isdisjoint(run.taken()) for run in runs)
