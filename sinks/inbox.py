"""The inbox: rows written in packed batches, one mutation of an account in flight at a time, and read in order."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from struct import Struct
from typing import Any, Final

import msgspec
from cassandra.cluster import ResponseFuture
from cassandra.cmurmur3 import murmur3
from cassandra.protocol import RESULT_KIND_VOID
from cassandra.query import BatchStatement, BatchType

from sinks.cassandra import LEVEL, Cassandra, CassandraUnavailable, unavailable
from sinks.ring import Ring
from sinks.rows import INSERT, Notification, Packer, Row, notification_of
from sinks.together import Together
from sinks.waves import Item, Partition, partition_key, portions, waves

#: Batches on their way to one coordinator, so that those of other lanes' workers do not wait behind a whole backlog.
AT_ONCE: Final = 24
_TIMESTAMPED: Final = 0x20
_short: Final = Struct(">H").pack
_end: Final = Struct(">HBq").pack  # consistency, flags, timestamp, as protocol 4 has them
_COLUMNS: Final = "SELECT seq, id, type, detail, payload FROM inbox WHERE account = ? AND lane = ? AND seq > ?"
_PLACES: Final = "SELECT seq FROM inbox WHERE account = ? AND lane = ? AND seq > ? LIMIT ?"
_LARGEST: Final = 2**63 - 1
log = logging.getLogger(__name__)


class _PackedBatch:
    """A BATCH message whose rows are wire bytes already; what the driver needs of a message, and no more."""

    opcode = 0x0D
    name = "BATCH"
    tracing = False
    custom_payload = None

    def __init__(self, rows: Sequence[bytes], timestamp: int) -> None:
        self.consistency_level = LEVEL
        self._rows = rows
        self._timestamp = timestamp

    def send_body(self, stream: Any, version: int) -> None:
        """Write the body; called by the driver, whose protocol `sinks.cassandra` says."""
        end = _end(self.consistency_level, _TIMESTAMPED, self._timestamp)
        stream.write(b"".join((b"\x01", _short(len(self._rows)), *self._rows, end)))


class _Countdown:
    """From callbacks on the driver's threads to one future of the loop: one wake-up for a wave."""

    def __init__(self, left: int) -> None:
        self.error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()
        self._left = left
        self._lock = threading.Lock()

    def done(self, *_: object) -> None:
        with self._lock:
            self._left -= 1
            last = not self._left
        if last:
            with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(self._finish)

    def fail(self, error: BaseException, *_: object) -> None:
        self.error = error
        self.done()

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class InboxWriter:
    """Writes rows straight to a pool's connection. What is not plainly acked goes once more through the driver, with
    its other hosts and its preparing again."""

    def __init__(self, cassandra: Cassandra, statement: Any) -> None:
        session = cassandra.session
        self.rows = 0  # acked
        self.batches = 0  # sent
        self.slow = 0  # batches that needed the driver's own path
        self._session = session
        self._together = Together(self._write)
        self._watch = cassandra.watch
        self._timeout = cassandra.timeout
        self._ring = Ring(session.cluster.metadata, cassandra.keyspace, cassandra.local_dc)
        self._statement = statement  # the driver holds it weakly, and needs it when a server forgot it
        self._packer = Packer(statement.query_id)
        self._query = BatchStatement(BatchType.UNLOGGED)
        self._query.is_idempotent = True
        self._query.keyspace = cassandra.keyspace
        self._profile = session.cluster.profile_manager.default
        handler = session.client_protocol_handler
        self._encode, self._decode = handler.encode_message, handler.decode_message

    @classmethod
    async def open(cls, cassandra: Cassandra) -> InboxWriter:
        """A writer with its statement prepared. Raises CassandraUnavailable."""
        return cls(cassandra, await cassandra.prepare(INSERT))

    async def write(self, rows: Sequence[Row]) -> None:
        """Write rows, those of a partition in order of position; returns when all are acked.

        Raises CassandraUnavailable. A row that is written again is the same row: after an error write all again.
        """
        pack = self._packer.pack
        await self._together([(row.account, row.lane, pack(row)) for row in rows])

    async def _write(self, items: Sequence[Item]) -> Sequence[Item]:
        timestamp = time.time_ns() // 1000
        for wave in waves(items, self._coordinator):
            for portion in portions(wave, AT_ONCE):
                await self._write_all(portion, timestamp)
        self.rows += len(items)
        return items

    async def _write_all(self, portion: Sequence[tuple[Any, list[bytes]]], timestamp: int) -> None:
        count = _Countdown(len(portion))
        for host, packed in portion:
            self._send(_PackedBatch(packed, timestamp), host, count)
        with self._watch.request():
            await self._acked(count)
        self.batches += len(portion)

    async def _acked(self, count: _Countdown) -> None:
        try:
            async with asyncio.timeout(2 * self._timeout):  # the straight path, then the driver's
                await count.future
        except TimeoutError:
            raise CassandraUnavailable(f"rows not acked within {2 * self._timeout:g} s") from None
        if count.error is not None:
            raise unavailable(count.error)

    def _coordinator(self, partition: Partition) -> Any:
        return self._ring.coordinator(murmur3(partition_key(*partition)))

    def _send(self, message: _PackedBatch, host: Any, count: _Countdown) -> None:
        pool = self._session._pools.get(host)
        try:
            connection, id_ = pool.borrow_connection(0.0)
        except Exception:  # no pool, a pool that was shut down, no free request id
            self._later(message, count)
            return
        answer = partial(self._answer, message, pool, connection, count)
        try:
            connection.send_msg(message, id_, answer, self._encode, self._decode)
        except Exception:  # the connection was closed or is overloaded
            pool.return_connection(connection)
            self._later(message, count)

    def _answer(self, message: _PackedBatch, pool: Any, connection: Any, count: _Countdown, response: Any) -> None:
        """On the driver's reactor thread, which must not block."""
        pool.return_connection(connection)
        if getattr(response, "kind", None) == RESULT_KIND_VOID:
            count.done()
            return
        self._later(message, count)

    def _later(self, message: _PackedBatch, count: _Countdown) -> None:
        """On a thread of the driver, where waiting for a connection holds up nobody."""
        try:
            self._session.submit(self._send_slowly, message, count)
        except RuntimeError as error:  # the session was closed
            count.fail(CassandraUnavailable(str(error)))

    def _send_slowly(self, message: _PackedBatch, count: _Countdown) -> None:
        self.slow += 1
        profile = self._profile
        try:
            future = ResponseFuture(
                self._session,
                message,
                self._query,
                self._timeout,
                retry_policy=profile.retry_policy,
                row_factory=profile.row_factory,
                load_balancer=profile.load_balancing_policy,
            )
            future.send_request()
            future.add_callbacks(count.done, count.fail)
        except Exception as error:
            count.fail(error)


class InboxReader:
    """Reads rows of one lane of an account, in order of position."""

    def __init__(self, cassandra: Cassandra, statement: Any, places: Any = None) -> None:
        self.reads = 0
        self._execute: Callable[..., Any] = cassandra.execute
        self._statement = statement
        self._places = places

    @classmethod
    async def open(cls, cassandra: Cassandra) -> InboxReader:
        """A reader with its statement prepared. Raises CassandraUnavailable."""
        prepare = cassandra.prepare
        return cls(cassandra, await prepare(f"{_COLUMNS} AND seq <= ? LIMIT ?"), await prepare(_PLACES))

    async def count(self, account: str, lane: int, after: int, most: int) -> int:
        """How many rows of a lane lie above `after`, counted up to `most`. Raises CassandraUnavailable."""
        self.reads += 1
        return len(await self._execute(self._places, (account, lane, after, most)))

    async def read(
        self, account: str, lane: int, after: int, upto: int | None, limit: int, acked: int = -1
    ) -> list[Notification]:
        """At most `limit` notifications above `after`, not above `upto` where given. Raises CassandraUnavailable.

        None that is acked is missing below another that is given. `acked`: a position up to which all rows were acked
        before this, a head for instance; it saves a second look. Whose `expires` has passed is for the caller to
        leave out: a row may outlive it by a second. A row that cannot be read is passed over, and logged; fewer than
        `limit` means that there are no more.
        """
        found = await self._read(account, lane, after, _LARGEST if upto is None else upto, limit)
        if upto is None and found and found[-1].seq > acked:
            # one replica may show a row so early that the others were asked before they had the row before it;
            # that one is acked since, or its successor would not have been sent
            found = await self._read(account, lane, after, found[-1].seq, limit)
        return found

    async def _read(self, account: str, lane: int, after: int, upto: int, limit: int) -> list[Notification]:
        found: list[Notification] = []
        while len(found) < limit:
            self.reads += 1
            wanted = limit - len(found)
            rows = await self._execute(self._statement, (account, lane, after, upto, wanted))
            found.extend(_readable(account, lane, rows))
            if len(rows) < wanted:
                break
            after = rows[-1][0]
        return found


def _readable(account: str, lane: int, rows: Sequence[Any]) -> Iterator[Notification]:
    for seq, id_, type_, detail, payload in rows:
        try:
            yield notification_of(lane, seq, id_, type_, detail, payload)
        except msgspec.MsgspecError:
            log.exception("row %d of lane %d of account %s cannot be read", seq, lane, account)
