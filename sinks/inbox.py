"""The inbox: rows written in packed batches, one mutation of an account in flight at a time, and read in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
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
from sinks.waves import Item, Partition, partition_key, waves
from sinks.window import Sent, Window

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
            await self._write_all([(host, _PackedBatch(packed, timestamp)) for host, packed in wave])
        self.rows += len(items)
        return items

    async def _write_all(self, wave: Sequence[tuple[Any, _PackedBatch]]) -> None:
        patience = 2 * self._timeout  # the straight path, then the driver's
        with self._watch.requests() as took:
            try:
                await Window(wave, AT_ONCE, self._send, took).acked(patience)
            except TimeoutError:
                raise CassandraUnavailable(f"rows not acked within {patience:g} s") from None
            except Exception as error:
                raise unavailable(error) from error
        self.batches += len(wave)

    def _coordinator(self, partition: Partition) -> Any:
        return self._ring.coordinator(murmur3(partition_key(*partition)))

    def _send(self, message: _PackedBatch, sent: Sent[Any]) -> None:
        pool = self._session._pools.get(sent.group)
        try:
            connection, id_ = pool.borrow_connection(0.0)
        except Exception:  # no pool, a pool that was shut down, no free request id
            self._later(message, sent)
            return
        answer = partial(self._answer, message, pool, connection, sent)
        try:
            connection.send_msg(message, id_, answer, self._encode, self._decode)
        except Exception:  # the connection was closed or is overloaded
            pool.return_connection(connection)
            self._later(message, sent)

    def _answer(self, message: _PackedBatch, pool: Any, connection: Any, sent: Sent[Any], response: Any) -> None:
        """On the driver's reactor thread, which must not block."""
        pool.return_connection(connection)
        if getattr(response, "kind", None) == RESULT_KIND_VOID:
            sent.done()
            return
        self._later(message, sent)

    def _later(self, message: _PackedBatch, sent: Sent[Any]) -> None:
        """On a thread of the driver, where waiting for a connection holds up nobody."""
        try:
            self._session.submit(self._send_slowly, message, sent)
        except RuntimeError as error:  # the session was closed
            sent.fail(CassandraUnavailable(str(error)))

    def _send_slowly(self, message: _PackedBatch, sent: Sent[Any]) -> None:
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
            future.add_callbacks(sent.done, sent.fail)
        except Exception as error:
            sent.fail(error)


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
