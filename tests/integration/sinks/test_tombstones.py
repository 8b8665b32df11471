"""Reads above a position touch neither rows whose life is over nor the files that hold only older ones, by tracing."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from sinks.cassandra import Cassandra
from sinks.inbox import InboxReader, InboxWriter
from sinks.rows import Row, row_of
from tests.integration.sinks.poll import until
from tests.unit.fakes import NOW, at
from tests.unit.sinks.make import envelope

_READ = re.compile(r"Read (\d+) live rows and (\d+) tombstone cells")


class Traced:
    """Reads of a session, with what Cassandra says of each."""

    def __init__(self, disk: Cassandra) -> None:
        self._session = disk.session
        self._execute = disk.session.execute_async
        self._futures: list[Any] = []

    def __enter__(self) -> Traced:
        """From now on."""
        self._session.execute_async = self._traced
        return self

    def __exit__(self, *error: object) -> None:
        """Until now."""
        self._session.execute_async = self._execute

    def _traced(self, statement: Any, parameters: Any = None) -> Any:
        future = self._execute(statement, parameters, trace=True)
        self._futures.append(future)
        return future

    async def touched(self) -> tuple[int, int]:
        """Live rows and tombstones that were read since the last time."""
        found = [0, 0]
        for future in self._futures:
            trace = await asyncio.to_thread(future.get_query_trace, 30)
            for event in trace.events:
                if match := _READ.search(event.description):
                    found[0] += int(match[1])
                    found[1] += int(match[2])
        self._futures.clear()
        return found[0], found[1]


def rows(account: str, offsets: range, life: int) -> list[Row]:
    """Rows that can be read for so many s."""
    return [row_of(envelope(offset, account=account, expires=NOW + life * 1000), NOW) for offset in offsets]


async def test_a_read_above_a_position_meets_no_tombstone(disk: Cassandra, account: str) -> None:
    """Below it lies what has expired; who starts at the beginning meets it, which shows that it would be seen."""
    writer, reader = await InboxWriter.open(disk), await InboxReader.open(disk)
    await writer.write(rows(account, range(1, 51), 1))
    await writer.write(rows(account, range(51, 61), 3600))

    async def expired() -> bool:
        return len(await reader.read(account, 0, 0, None, 100)) == 10

    await until(expired)
    with Traced(disk) as traced:
        for after, upto, limit in ((50, None, 100), (50, 60, 16), (55, None, 64), (60, None, 64)):
            await reader.read(account, 0, at(after), None if upto is None else at(upto), limit, at(60))
            live, tombstones = await traced.touched()
            assert (live, tombstones) == (60 - after, 0)
        await reader.read(account, 0, 0, None, 100, at(60))
        live, tombstones = await traced.touched()
        assert live == 10
        assert tombstones > 0


async def test_lanes_that_never_had_an_event_have_nothing_to_scan(disk: Cassandra, account: str) -> None:
    """A hello reads all lanes."""
    reader = await InboxReader.open(disk)
    with Traced(disk) as traced:
        for lane in range(4):
            assert await reader.read(account, lane, 0, None, 64) == []
        assert await traced.touched() == (0, 0)
