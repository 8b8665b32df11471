"""`make bench-inbox`: what a row of the inbox costs, written as `store` does and as the driver would, and polls of it.

Rounds of the three ways take turns on one Cassandra, with the same rows but for the account: `store`'s writer, the
driver's own unlogged batches of ten rows, and one statement a row. CPU is that of this process, all threads of the
driver included. Then pages are polled at a steady rate; a poll's time runs from the moment it was due. Every row that
was written is read back and compared before a figure counts. The last line is JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median
from typing import Any, Final, NamedTuple

import numpy as np
from cassandra.query import BatchStatement, BatchType, SimpleStatement

from bench.measure import report
from bench.program import launch
from deploy.local.servers import local_servers
from sinks import cassandra
from sinks.cassandra import Cassandra
from sinks.inbox import InboxReader, InboxWriter
from sinks.rows import INSERT, Row, row_of
from streams import settings
from streams.envelope import VERSION, Envelope, position
from streams.settings import Settings

#: Rows in what `store` writes at once, and rounds of each way.
BATCH: Final = 200
ROUNDS: Final = 5
ACCOUNTS: Final = 20_000
LANES: Final = 4
LIFE_MS: Final = 3_600_000
#: Rows of a page, polls a second.
PAGE: Final = 20
POLLS_PER_S: Final = 200
PAYLOAD: Final = json.dumps({"profile": "p-1", "changed": ["maturity", "language"], "note": "x" * 120}).encode()
IN_FLIGHT: Final = 128
Way = Callable[[Sequence[Row]], Awaitable[None]]
Cells = tuple[bytes, str, bytes, bytes]  # id, type, detail, payload
Rows = dict[tuple[str, int, int], Cells]


class Driver:
    """The driver as its documentation has it used."""

    def __init__(self, disk: Cassandra, statement: Any) -> None:
        self._session = disk.session
        self._statement = statement

    async def batches(self, rows: Sequence[Row]) -> None:
        """Unlogged batches of ten rows, all in flight at once."""
        requests = []
        for start in range(0, len(rows), 10):
            batch = BatchStatement(BatchType.UNLOGGED)
            for row in rows[start : start + 10]:
                batch.add(self._statement, _values(row))
            requests.append((batch, ()))
        await self._all(requests)

    async def singly(self, rows: Sequence[Row]) -> None:
        """One statement a row."""
        for start in range(0, len(rows), IN_FLIGHT):
            await self._all([(self._statement, _values(row)) for row in rows[start : start + IN_FLIGHT]])

    async def _all(self, requests: Sequence[tuple[Any, Any]]) -> None:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        left = len(requests)

        def answered(_: object) -> None:  # on the driver's one reactor thread
            nonlocal left
            left -= 1
            if not left:
                loop.call_soon_threadsafe(done.set_result, None)

        def failed(error: BaseException) -> None:
            loop.call_soon_threadsafe(done.set_exception, error)

        for statement, values in requests:
            self._session.execute_async(statement, values).add_callbacks(answered, failed)
        await done


def _values(row: Row) -> tuple[Any, ...]:
    text = row.account.decode(), row.lane, row.seq, uuid.UUID(bytes=row.id), row.type.decode()
    return (*text, row.detail, row.payload, row.ttl)


def make_rows(way: str, numbers: range, accounts: int) -> list[Row]:
    """Rows as `store` makes them; the account begins with the name of the way."""
    now = time.time_ns() // 1_000_000
    chance = random.Random(numbers.start)
    return [row_of(_envelope(f"{way}-{chance.randrange(accounts)}", number, now), now) for number in numbers]


def _envelope(account: str, number: int, now: int) -> Envelope:
    return Envelope(
        VERSION, b"topc", 0, position(1, number), number % LANES, account, "/services/profiles", f"e{number}",
        "member.profile.changed", now, now, now + LIFE_MS, now + LIFE_MS, "application/json", PAYLOAD,
    )  # fmt: skip


class Cost(NamedTuple):
    """Of one round: CPU of this process a row, us, and rows a second of the clock."""

    cpu_us: float
    per_s: float


class Sizes(NamedTuple):
    """How much is done."""

    rows: int  # of each round of each way
    polls: int
    accounts: int = ACCOUNTS


async def write_rounds(ways: Mapping[str, Way], sizes: Sizes, written: Rows) -> dict[str, list[Cost]]:
    """Rounds of all ways in turn; what they wrote is added to `written`. The first round of each does not count."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, write in ways.items():
            rows = make_rows(name, range(number * sizes.rows, (number + 1) * sizes.rows), sizes.accounts)
            written.update(((row.account.decode(), row.lane, row.seq), _cells(row)) for row in rows)
            began, cpu = time.perf_counter(), time.process_time()
            for start in range(0, len(rows), BATCH):
                await write(rows[start : start + BATCH])
            if number:
                cpu_us = (time.process_time() - cpu) / len(rows) * 1e6
                costs[name].append(Cost(cpu_us, len(rows) / (time.perf_counter() - began)))
    return costs


def _cells(row: Row) -> Cells:
    return row.id, row.type.decode(), row.detail, row.payload


def read_all(session: Any) -> Rows:
    """Every row of the table."""
    query = SimpleStatement("SELECT account, lane, seq, id, type, detail, payload FROM inbox", fetch_size=2000)
    return {(a, lane, seq): (id_.bytes, type_, d, p) for a, lane, seq, id_, type_, d, p in session.execute(query)}


def differences(expected: Rows, found: Rows) -> int:
    """Rows that are missing, not expected, or other than expected."""
    return sum(expected.get(key) != found.get(key) for key in expected.keys() | found.keys())


async def poll(reader: InboxReader, written: Rows, polls: int) -> tuple[list[float], int]:
    """Seconds that each poll of a page took from when it was due, and how many pages were wrong."""
    of_partition: dict[tuple[str, int], list[int]] = {}
    for account, lane, seq in written:
        of_partition.setdefault((account, lane), []).append(seq)
    partitions = sorted(of_partition)
    chance = random.Random(0)
    took: list[float] = []
    wrong = 0
    start = time.monotonic()

    async def one(number: int, account: str, lane: int) -> None:
        nonlocal wrong
        due = start + number / POLLS_PER_S
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        page = await reader.read(account, lane, -1, None, PAGE)
        took.append(time.monotonic() - due)
        wrong += [row.seq for row in page] != sorted(of_partition[account, lane])[:PAGE]

    await asyncio.gather(*(one(number, *chance.choice(partitions)) for number in range(polls)))
    return took, wrong


async def measure(config: Settings, sizes: Sizes) -> dict[str, float | int]:
    """All figures, on a Cassandra without rows."""
    await cassandra.apply_schema(config)
    async with cassandra.connect(config) as disk:
        writer = await InboxWriter.open(disk)
        driver = Driver(disk, await disk.prepare(INSERT))
        ways: dict[str, Way] = {"store": writer.write, "batches": driver.batches, "single": driver.singly}
        written: Rows = {}
        costs = await write_rounds(ways, sizes, written)
        wrong = differences(written, await asyncio.to_thread(read_all, disk.session))
        took, bad_pages = await poll(await InboxReader.open(disk), written, sizes.polls)
    return figures(costs, took, wrong + bad_pages, len(written))


def figures(costs: Mapping[str, list[Cost]], took: list[float], wrong: int, rows: int) -> dict[str, float | int]:
    """The medians of all rounds, and the percentiles of the polls."""
    cpu = {name: median(cost.cpu_us for cost in of) for name, of in costs.items()}
    return {
        "rows": rows,
        "cpu_us_per_row": round(cpu["store"], 2),
        "cpu_us_per_row_driver_batches": round(cpu["batches"], 2),
        "cpu_us_per_row_driver_single": round(cpu["single"], 2),
        "ratio_driver_batches": round(cpu["batches"] / cpu["store"], 2),
        "rows_per_s": round(median(cost.per_s for cost in costs["store"])),
        "poll_p50_ms": round(float(np.percentile(took, 50)) * 1000, 2),
        "poll_p99_ms": round(float(np.percentile(took, 99)) * 1000, 2),
        "wrong": wrong,
    }


def main() -> int:
    """Boot a Cassandra, measure, print one line of JSON; 1 where something was wrong."""
    sizes = Sizes(int(os.environ.get("ROWS", "20000")), int(os.environ.get("POLLS", "2000")))
    with local_servers(["cassandra"]) as servers:
        host, port = servers.endpoints.cassandra
        config = Settings(cassandra=settings.Cassandra(contact_points=(host,), port=port))
        found = asyncio.run(measure(config, sizes))
    return report(found)


if __name__ == "__main__":
    launch(main)
