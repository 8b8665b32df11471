"""Cassandra: one session, statements prepared once, answers as futures of the running loop."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import cassandra
from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthenticator
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.policies import DCAwareRoundRobinPolicy, ExponentialReconnectionPolicy, TokenAwarePolicy
from cassandra.protocol import ErrorMessage, RequestValidationException
from cassandra.query import SimpleStatement, named_tuple_factory

from streams.client_metrics import ClientMetrics
from streams.settings import Cassandra as CassandraSettings
from streams.settings import Settings, SettingsError

#: Quorum of the local data centre, for reads and writes: a read sees every write that was acked.
LEVEL: Final = ConsistencyLevel.LOCAL_QUORUM
_PROTOCOL: Final = 4
#: Requests on a connection, which takes 32,767.
_MOST: Final = 32_000
_KEYSPACE: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
_AWAY: Final = (
    NoHostAvailable,
    ConnectionException,
    cassandra.OperationTimedOut,
    cassandra.RequestExecutionException,
    ErrorMessage,
)


class CassandraUnavailable(Exception):
    """Cassandra cannot be reached, or cannot serve the quorum in time. Whether a write took effect is unknown."""


def unavailable(error: BaseException) -> BaseException:
    """The driver's error as CassandraUnavailable, unless it says that the request itself is wrong."""
    if isinstance(error, _AWAY) and not isinstance(error, RequestValidationException):
        return CassandraUnavailable(f"{type(error).__name__}: {error}")
    return error


class Cassandra:
    """A session on the keyspace."""

    def __init__(self, session: Any, config: CassandraSettings) -> None:
        self.session = session
        self.watch = ClientMetrics("cassandra")
        self.timeout = config.timeout
        self.keyspace = config.keyspace
        self.local_dc = config.local_dc

    async def prepare(self, text: str) -> Any:
        """A prepared statement, marked as idempotent: lockstep has no other. Raises CassandraUnavailable.

        So it does where a table or column is not there: the schema is not applied, or that of an earlier release is.
        """
        try:
            statement = await _threaded(self.session.prepare, text)
        except cassandra.InvalidRequest as error:
            raise CassandraUnavailable(f"keyspace {self.keyspace}: {error}: apply the schema first") from error
        statement.is_idempotent = True
        return statement

    async def execute(self, statement: Any, parameters: Sequence[Any] = ()) -> list[Any]:
        """The rows of a statement. Raises CassandraUnavailable."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Any]] = loop.create_future()

        def answer(rows: list[Any] | None) -> None:  # on the driver's thread
            loop.call_soon_threadsafe(_settle, done, rows or [], None)

        def fail(error: BaseException) -> None:
            loop.call_soon_threadsafe(_settle, done, [], unavailable(error))

        with self.watch.request():
            if self._full():
                raise CassandraUnavailable("too many requests have no answer")
            try:
                request = self.session.execute_async(statement, parameters)
                request.add_callbacks(answer, fail)
            except Exception as error:
                raise unavailable(error) from error
            try:
                return await done
            finally:
                if not done.cancelled():  # it is over; the driver leaves a cycle of some 30 objects with its timer
                    request._timer = None

    def _full(self) -> bool:
        """Whether the driver would wait for room on a connection, 2 s long and on the loop's thread.

        Where a node hangs, requests keep their room after their time is over, until its connection is given up.
        """
        pools = tuple(self.session.get_pools())  # the driver's threads change them
        return any(number >= _MOST for pool in pools for number in pool.get_state()["in_flights"])

    async def pages(self, text: str, size: int) -> AsyncIterator[list[Any]]:
        """All rows of a table, so many at once. Raises CassandraUnavailable."""
        result = await _threaded(self.session.execute, SimpleStatement(text, fetch_size=size))
        yield result.current_rows
        while result.has_more_pages:
            await _threaded(result.fetch_next_page)
            yield result.current_rows


@lru_cache(maxsize=64)
def _row_type(columns: tuple[str, ...]) -> Any:
    (row,) = named_tuple_factory(columns, [(None,) * len(columns)])
    return type(row)


def rows_of(columns: Sequence[str], cells: Sequence[Sequence[Any]]) -> list[Any]:
    """Rows as the driver makes them, which makes their type anew for each answer: half the CPU of a small one."""
    return list(map(_row_type(tuple(columns))._make, cells))


def _settle(done: asyncio.Future[list[Any]], rows: list[Any], error: BaseException | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(rows)
    else:
        done.set_exception(error)


async def _threaded(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return await asyncio.to_thread(function, *arguments)
    except Exception as error:
        raise unavailable(error) from error


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Cassandra]:
    """A session on the keyspace, which must exist. Raises CassandraUnavailable or SettingsError."""
    config = settings.cassandra
    keyspace = _keyspace(config)
    async with _cluster(config) as session:
        if keyspace not in session.cluster.metadata.keyspaces:
            raise CassandraUnavailable(f"there is no keyspace {keyspace}: apply the schema first")
        await _threaded(session.set_keyspace, keyspace)
        yield Cassandra(session, config)


async def apply_schema(settings: Settings) -> list[str]:
    """Make the keyspace and the tables that are missing; gives their names. Raises CassandraUnavailable."""
    config = settings.cassandra
    keyspace = _keyspace(config)
    replication = {"class": "NetworkTopologyStrategy", config.local_dc: config.replication}
    async with _cluster(config) as session:
        before = _names(session, keyspace)
        await _threaded(session.execute, f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}")
        await _threaded(session.set_keyspace, keyspace)
        for statement in _schema():
            await _threaded(session.execute, statement)
        return sorted(_names(session, keyspace) - before)


def _schema() -> list[str]:
    """The statements of schema.cql."""
    text = files("sinks").joinpath("schema.cql").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def _names(session: Any, keyspace: str) -> set[str]:
    found = session.cluster.metadata.keyspaces.get(keyspace)
    return {keyspace, *(f"{keyspace}.{table}" for table in found.tables)} if found else set()


def _keyspace(config: CassandraSettings) -> str:
    if not _KEYSPACE.fullmatch(config.keyspace):
        raise SettingsError(f"LOCKSTEP_CASSANDRA__KEYSPACE: not a name of lower case letters: {config.keyspace!r}")
    return config.keyspace


class _Login:
    """What the driver asks of an AuthProvider: name and password, as they are when a connection is made."""

    def __init__(self, config: CassandraSettings) -> None:
        self._config = config

    def new_authenticator(self, host: Any) -> Any:
        """For one connection."""
        return PlainTextAuthenticator(self._config.username, self._config.current_password())


class _Tls:
    """What the driver asks of an SSLContext, with the certificates that there are when a connection is made."""

    def __init__(self, config: CassandraSettings) -> None:
        self._config = config
        self.check_hostname = config.check_host

    def wrap_socket(self, *arguments: Any, **options: Any) -> Any:
        """For one connection. Raises OSError, which the driver takes for a host that is away, and LoginError."""
        return self._config.fresh_context().wrap_socket(*arguments, **options)


@asynccontextmanager
async def _cluster(config: CassandraSettings) -> AsyncIterator[Any]:
    """A session without keyspace."""
    profile = ExecutionProfile(
        row_factory=rows_of,
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=config.local_dc)),
        consistency_level=LEVEL,
        request_timeout=config.timeout,
    )
    cluster = Cluster(
        config.contact_points,
        port=config.port,
        protocol_version=_PROTOCOL,
        auth_provider=_Login(config) if config.username else None,
        ssl_context=_Tls(config) if config.context() else None,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        reconnection_policy=ExponentialReconnectionPolicy(0.5, 10.0),
        connect_timeout=config.timeout,
        control_connection_timeout=config.timeout,
        compression=False,
    )
    try:
        session = await _threaded(cluster.connect)
        session.default_fetch_size = None  # every read has a limit of its own
        yield session
    finally:
        await asyncio.to_thread(cluster.shutdown)
