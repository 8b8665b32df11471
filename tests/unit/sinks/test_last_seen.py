"""When devices were seen: written once an hour, and kept while Cassandra is away."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.cassandra import CassandraUnavailable
from sinks.last_seen import EVERY_S, LastSeen


class FakeCassandra:
    """The table; away while told so. A deletion wins over what was written as of a time before it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int]] = []
        self.erased: dict[str, float] = {}  # when, s
        self.away = False
        self.refused = ""  # a device

    async def prepare(self, text: str) -> str:
        """The text will do."""
        return text

    async def execute(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """An insert or a read."""
        if self.away:
            raise CassandraUnavailable("away")
        if statement.startswith("INSERT"):
            account, device, at, timestamp = values
            if device == self.refused:
                raise ValueError("nobody foresaw this")
            if timestamp > self.erased.get(account, 0) * 1_000_000:
                self.rows.append((account, device, at))
            return []
        return [(device, at) for account, device, at in self.rows if account == values[0]]


async def test_a_device_is_written_once_an_hour() -> None:
    """However often it speaks; what waits is told as well."""
    table: Any = FakeCassandra()
    now = [1000.0]
    seen = await LastSeen.open(table, lambda: now[0])
    for _ in range(5):
        seen.note("alice", "tv")
        assert await seen.read("alice") == {"tv": 1000}
        await seen.flush()
        now[0] += 1
    assert table.rows == [("alice", "tv", 1000)]
    now[0] += EVERY_S
    seen.note("alice", "tv")
    seen.note("bob", "tv")
    await seen.flush()
    assert len(table.rows) == 3
    assert await seen.read("bob") == {"tv": 1000 + 5 + EVERY_S}


async def test_what_cannot_be_written_waits() -> None:
    """Unless its account is forgotten."""
    table: Any = FakeCassandra()
    seen = await LastSeen.open(table, lambda: 1000.0)
    seen.note("alice", "tv")
    seen.note("bob", "tv")
    table.away = True
    with pytest.raises(CassandraUnavailable):
        await seen.flush()
    table.away = False
    seen.forget("alice")
    await seen.flush()
    assert table.rows == [("bob", "tv", 1000)]


async def test_only_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """More are noted when they speak again."""
    monkeypatch.setattr("sinks.last_seen.REMEMBERED", 2)
    table: Any = FakeCassandra()
    seen = await LastSeen.open(table, lambda: 1000.0)
    for number in range(4):
        seen.note("alice", f"tv-{number}")
    await seen.flush()
    assert len(table.rows) == 2
    seen.note("alice", "tv-3")
    await seen.flush()
    assert len(table.rows) == 3


async def test_what_was_erased_stays_away() -> None:
    """Also where it is written later, and of a device that spoke to an edge that had not heard of it."""
    table: Any = FakeCassandra()
    now = [1000.0]
    seen = await LastSeen.open(table, lambda: now[0], 35.0)
    seen.note("alice", "tv")
    now[0] = table.erased["alice"] = 1010.0
    now[0] += 30
    seen.note("alice", "phone")
    seen.note("bob", "tv")
    await seen.flush()
    assert table.rows == [("bob", "tv", 1040)]
    now[0] += 30
    seen.note("alice", "tablet")
    await seen.flush()
    assert await seen.read("alice") == {"tablet": 1070}


async def test_an_error_that_nobody_foresaw_is_one_devices(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the others are written, and the task goes on."""
    table: Any = FakeCassandra()
    table.refused = "tv"
    seen = await LastSeen.open(table, lambda: 1000.0)
    seen.note("alice", "tv")
    seen.note("bob", "phone")
    await seen.flush()
    assert table.rows == [("bob", "phone", 1000)]
    assert "nobody foresaw this" in caplog.text
    seen.note("carol", "tv-2")
    await seen.flush()
    assert len(table.rows) == 2
