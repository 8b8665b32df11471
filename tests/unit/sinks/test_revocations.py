"""Revocations in memory: which are read, for how long they are kept, and which are news."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sinks.revocations import Revocations

DAY = 86_400
START = 20_000 * DAY + 100


@dataclass
class FakeCassandra:
    """The table, and the reads of it."""

    rows: list[tuple[int, int, str]] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)

    async def prepare(self, text: str) -> str:
        """The text will do."""
        return text

    async def execute(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """An insert or a read."""
        if statement.startswith("INSERT"):
            self.rows.append(values[:3])
            return []
        self.reads.append(values)
        day, start = values
        return [(at, account) for of, at, account in self.rows if of == day and at >= start]


async def test_every_edge_knows_what_any_has_revoked() -> None:
    """An edge that starts reads all of them; one that runs reads the latest, a little overlapping, over midnight."""
    table: Any = FakeCassandra()
    now = [float(START)]
    one, other = [await Revocations.open(table, 3 * DAY, lambda: now[0]) for _ in range(2)]
    assert await one.revoke("alice") == START
    assert (one.since("alice"), other.since("alice"), one.since("bob")) == (START, -1, -1)
    assert await other.refresh() == {"alice"}
    assert await other.refresh() == set()
    now[0] += DAY
    await one.revoke("bob")
    await one.revoke("alice")
    table.reads.clear()
    assert await other.refresh() == {"alice", "bob"}
    assert await one.refresh() == set()
    assert min(start for _, start in table.reads) == START - 300
    late = await Revocations.open(table, 3 * DAY, lambda: now[0])
    assert (late.since("alice"), len(late)) == (START + DAY, 2)


async def test_what_no_token_can_be_under_is_forgotten() -> None:
    """A token lives no longer than so; the store forgets by itself."""
    table: Any = FakeCassandra()
    now = [float(START)]
    revocations = await Revocations.open(table, 3 * DAY, lambda: now[0])
    await revocations.revoke("alice")
    now[0] += 4 * DAY
    await revocations.refresh()
    assert revocations.since("alice") == START
    now[0] += 1
    await revocations.refresh()
    assert len(revocations) == 0


async def test_a_clock_that_is_ahead_is_read_too() -> None:
    """Another edge may write into tomorrow."""
    table: Any = FakeCassandra()
    revocations = await Revocations.open(table, DAY, lambda: START + DAY - 150.0)
    table.rows.append((20_001, 20_001 * DAY + 20, "alice"))
    assert await revocations.refresh() == {"alice"}
