"""Which dead letters `lockstep dlq` acts on, of those that lie there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edge.cli import main
from edge.oncall.dlq import DeadLetters
from edge.oncall.letters import Letter, Wanted
from streams.deadletters import Action
from tests.unit.edge.oncall.test_letters import origin, record
from tests.unit.fakes import ROOT


def letter(offset: int, left_out: int = 0) -> Letter:
    """One of partition 3."""
    of = origin(offset)._replace(left_out=left_out)
    return Letter(3, record(offset, of), of, None)


class Cluster:
    """Letters, and what was done to which of them."""

    def __init__(self, *letters: Letter) -> None:
        self.letters = letters
        self.done: list[tuple[str, Action]] = []

    def find(self, _: DeadLetters, wanted: Wanted, partition: int | None) -> Iterator[Letter]:
        """Those that are meant, as the real reader gives them."""
        return filter(wanted.holds, self.letters)

    def act(self, _: DeadLetters, chosen: Iterable[Letter], action: Action) -> Iterator[Letter]:
        """Remember."""
        for each in chosen:
            self.done.append((each.place, action))
            yield each


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    """Three letters that are not whole before, and one behind, four that are."""
    made = Cluster(*(letter(n, 5_000) for n in range(3)), *(letter(n) for n in range(3, 7)), letter(7, 5_000))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_TOPOLOGY", str(ROOT / "topics.yaml"))
    monkeypatch.setattr(DeadLetters, "find", lambda *each: made.find(*each))
    monkeypatch.setattr(DeadLetters, "act", lambda *each: made.act(*each))
    return made


def dlq(*arguments: str) -> Result:
    """What the command says."""
    return CliRunner().invoke(main, ("dlq", *arguments))


def test_what_cannot_be_replayed_does_not_count_against_the_limit(cluster: Cluster) -> None:
    """Else a run might do nothing, and the next one the same, though whole ones lie further on."""
    result = dlq("replay", "--all", "--limit", "2", "--yes")
    assert cluster.done == [("3:3", "replayed"), ("3:4", "replayed")]
    assert "2 dead letters replayed; there are more than 2: run it again" in result.stderr
    assert [place for place in range(8) if f"cannot be replayed: 3:{place} lacks" in result.stderr] == [0, 1, 2]
    assert result.exit_code == 1


def test_without_a_limit_all_that_are_whole_are_replayed(cluster: Cluster) -> None:
    """Each of the others is named."""
    result = dlq("replay", "--all", "--yes")
    assert [place for place, _ in cluster.done] == ["3:3", "3:4", "3:5", "3:6"]
    assert "4 dead letters replayed\n" in result.stderr
    assert result.stderr.count("cannot be replayed") == 4
    assert result.exit_code == 1


def test_whatever_is_not_whole_can_be_discarded(cluster: Cluster) -> None:
    """It counts then."""
    result = dlq("discard", "--all", "--limit", "2", "--yes")
    assert cluster.done == [("3:0", "discarded"), ("3:1", "discarded")]
    assert result.exit_code == 0


def test_the_first_that_are_listed_are_shown(cluster: Cluster) -> None:
    """Whole or not."""
    result = dlq("list", "--limit", "2")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["3:0", "3:1"]
    assert "there are more than 2" in result.stderr
