"""The inbox on a real Cassandra: what is written is read, whatever happens to statements and connections."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio
from cassandra import InvalidRequest
from cassandra.cmurmur3 import murmur3

from sinks.cassandra import Cassandra, CassandraUnavailable, apply_schema, connect
from sinks.inbox import AT_ONCE, InboxReader, InboxWriter
from sinks.rows import Row, row_of
from sinks.waves import partition_key
from sinks.window import Sent
from streams import settings
from streams.settings import Settings, SettingsError
from streams.targets import Predicate
from tests.integration.sinks.poll import until
from tests.unit.fakes import NOW, at
from tests.unit.sinks.make import envelope


@pytest_asyncio.fixture
async def writer(disk: Cassandra) -> InboxWriter:
    """A writer."""
    return await InboxWriter.open(disk)


@pytest_asyncio.fixture
async def reader(disk: Cassandra) -> InboxReader:
    """A reader."""
    return await InboxReader.open(disk)


def _rows(account: str, offsets: Sequence[int], **changes: Any) -> list[Row]:
    return [row_of(envelope(offset, account=account, **changes), NOW) for offset in offsets]


async def test_rows_are_what_the_driver_would_have_written(
    disk: Cassandra, writer: InboxWriter, reader: InboxReader, account: str
) -> None:
    """Values, TTL, and the token by which the client groups partitions."""
    target = Predicate(5, ("tv", "phone"), "web", 7)
    await writer.write(_rows(account, [1, 2], lane=3, target=target))
    first, second = await reader.read(account, 3, 0, None, 10)
    assert (first.seq, second.seq) == (at(1), at(2))
    assert (first.events, first.source, first.target, first.payload) == (
        ("event-1",),
        "/profiles",
        target,
        b'{"plan":"family"}',
    )
    query = "SELECT TTL(detail), TOKEN(account, lane) FROM inbox WHERE account = %s AND lane = 3 AND seq = %s"
    ((ttl, token),) = await disk.execute(query, (account, at(1)))
    assert 3500 < ttl <= 3600
    assert token == murmur3(partition_key(account.encode(), 3))
    assert (writer.rows, writer.slow) == (2, 0)


async def test_reads_are_bounded_and_in_order(writer: InboxWriter, reader: InboxReader, account: str) -> None:
    """Above `after`, not above `upto`, at most `limit`; lanes and accounts are apart."""
    await writer.write(_rows(account, range(1, 61), payload=b"x" * 900) + _rows(account, [99], lane=1))
    assert writer.batches > 10

    async def offsets(after: int, upto: int | None, limit: int) -> list[int]:
        return [n.seq - at(0) for n in await reader.read(account, 0, after, upto, limit)]

    assert await offsets(-1, None, 100) == list(range(1, 61))
    assert await offsets(at(10), at(20), 100) == list(range(11, 21))
    assert await offsets(at(10), None, 3) == [11, 12, 13]
    assert await offsets(at(60), None, 3) == []
    assert [n.seq for n in await reader.read(account, 1, 0, None, 9)] == [at(99)]


async def test_writing_again_changes_nothing(writer: InboxWriter, reader: InboxReader, account: str) -> None:
    """A replay writes the same rows."""
    for _ in range(3):
        await writer.write(_rows(account, range(50)))
    assert len(await reader.read(account, 0, -1, None, 100)) == 50


async def test_a_backlog_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch, writer: InboxWriter, reader: InboxReader, account: str
) -> None:
    """However many rows there are, few batches of them wait at a coordinator, where those of other lanes do."""
    out, most = 0, 0
    send, done, lock = InboxWriter._send, Sent.done, threading.Lock()

    def counted(self: InboxWriter, message: Any, sent: Sent[Any]) -> None:
        nonlocal out, most
        with lock:
            out += 1
            most = max(most, out)
        send(self, message, sent)

    def noted(self: Sent[Any], *answer: object) -> None:
        nonlocal out
        with lock:
            out -= 1
        done(self, *answer)

    monkeypatch.setattr(InboxWriter, "_send", counted)
    monkeypatch.setattr(Sent, "done", noted)
    accounts = [f"{account}-{number}" for number in range(1000)]
    await writer.write([row for name in accounts for row in _rows(name, [1])])
    assert (most, out) == (AT_ONCE, 0)
    assert writer.batches > 3 * AT_ONCE
    assert [len(await reader.read(name, 0, -1, None, 9)) for name in accounts[::100]] == [1] * 10


async def test_a_row_that_cannot_be_read_is_passed_over(
    disk: Cassandra, writer: InboxWriter, reader: InboxReader, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And fewer than asked for still means that there are no more."""
    await writer.write(_rows(account, range(1, 7)))
    odd = "INSERT INTO inbox (account, lane, seq, detail) VALUES (%s, 0, %s, 0xC1) USING TTL 60"
    for offset in (2, 3):
        await disk.execute(odd, (account, at(offset)))
    assert [n.seq for n in await reader.read(account, 0, 0, None, 3)] == [at(1), at(4), at(5)]
    unreadable = [record for record in caplog.records if "cannot be read" in record.msg]
    assert {record.args[0] for record in unreadable if isinstance(record.args, tuple)} == {at(2), at(3)}


async def test_a_statement_that_the_server_forgot_is_prepared_again(
    disk: Cassandra, writer: InboxWriter, reader: InboxReader, account: str
) -> None:
    """A change of the table invalidates it; the driver's own path prepares it again, from the writer's own copy."""
    gc.collect()
    await disk.execute("ALTER TABLE inbox ADD extra int")
    await disk.execute("ALTER TABLE inbox DROP extra")
    await writer.write(_rows(account, [1]))
    assert len(await reader.read(account, 0, 0, None, 9)) == 1


async def test_a_connection_that_is_cut_loses_nothing(
    disk: Cassandra, writer: InboxWriter, reader: InboxReader, account: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In mid batch: either every row is there, or the write raises; afterwards writes go on."""
    caplog.set_level(logging.CRITICAL)
    accounts = [f"{account}-{n}" for n in range(600)]
    rows = [row for each in accounts for row in _rows(each, [1])]
    task = asyncio.create_task(writer.write(rows))
    await asyncio.sleep(0)
    (pool,) = disk.session._pools.values()
    pool._connection._socket.shutdown(2)
    acked = True
    try:
        await task
    except CassandraUnavailable:
        acked = False

    async def written() -> bool:
        try:
            await writer.write(rows)
        except CassandraUnavailable:
            return False
        return True

    await until(written)
    found = [len(await reader.read(each, 0, 0, None, 9)) for each in accounts[::10]]
    assert found == [1] * 60
    assert writer.slow > 0
    assert writer.rows == (1200 if acked else 600)


async def test_without_a_pool_the_driver_decides(writer: InboxWriter, reader: InboxReader, account: str) -> None:
    """No coordinator is known: the rows go the driver's way."""
    writer._ring._replicas = [[] for _ in writer._ring._replicas]
    writer._ring.coordinator(0)
    writer._ring._replicas = [[] for _ in writer._ring._replicas]
    await writer.write(_rows(account, [1]))
    assert writer.slow == 1
    assert len(await reader.read(account, 0, 0, None, 9)) == 1


async def test_the_schema_is_applied_once(store_settings: Settings) -> None:
    """A second time makes nothing."""
    assert await apply_schema(store_settings) == []


async def test_what_is_missing_is_said(store_settings: Settings) -> None:
    """A keyspace that is not there, a name that cannot be one, a server that is not there."""

    def changed(**changes: Any) -> Settings:
        own = store_settings.cassandra
        fields = {name: getattr(own, name) for name in own.__struct_fields__} | changes
        return Settings(cassandra=settings.Cassandra(**fields))

    with pytest.raises(CassandraUnavailable, match="apply the schema first"):
        async with connect(changed(keyspace="nowhere")):
            pass
    with pytest.raises(SettingsError, match="KEYSPACE"):
        await apply_schema(changed(keyspace="no; drop"))
    with pytest.raises(CassandraUnavailable, match="NoHostAvailable"):
        await apply_schema(changed(port=1))


@pytest.mark.parametrize("query", ["SELECT a FROM nothing", "SELECT nothing FROM inbox"])
async def test_a_schema_that_is_not_applied_is_named(disk: Cassandra, query: str) -> None:
    """Nothing of lockstep can be prepared without its tables, nor with those of an earlier release."""
    with pytest.raises(CassandraUnavailable, match=r"nothing.*: apply the schema first"):
        await disk.prepare(query)


async def test_a_statement_that_fails_raises_and_the_session_goes_on(disk: Cassandra) -> None:
    """On the server, or before it is sent; an answer that nobody waits for any more disturbs nobody."""
    statement = await disk.prepare("SELECT seq FROM inbox WHERE account = ? AND lane = ?")
    with pytest.raises(InvalidRequest):
        await disk.execute("SELECT nothing FROM inbox")
    with pytest.raises(TypeError):
        await disk.execute(statement, ("a", "not a number"))
    call = asyncio.create_task(disk.execute(statement, ("a", 0)))
    await asyncio.sleep(0)
    call.cancel()
    assert await disk.execute(statement, ("a", 0)) == []
