"""Redis: one pipelined connection, with many calls in flight."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any, Final, NamedTuple

from sinks.resp import Changed, Connection, RedisUnavailable, ReplyError
from streams.client_metrics import ClientMetrics
from streams.logins import LoginError
from streams.settings import Redis as RedisSettings
from streams.settings import Settings

__all__ = [
    "Redis", "RedisUnavailable", "ReplyError", "Script", "bulk", "command", "connect", "is_forgotten", "reconnecting",
    "script", "usable",
]  # fmt: skip
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0
_RUN_ID_BYTES: Final = 8
_REPLICA: Final = b"role:slave"
log = logging.getLogger(__name__)


def bulk(part: bytes) -> bytes:
    """One part of a command as it goes over the wire."""
    return b"$%d\r\n%b\r\n" % (len(part), part)


def command(*parts: bytes) -> bytes:
    """One command as it goes over the wire."""
    return b"*%d\r\n" % len(parts) + b"".join([bulk(part) for part in parts])


class Script(NamedTuple):
    """A Lua script that every connection knows by its digest."""

    source: bytes
    digest: bytes

    def call(self, keys: tuple[bytes, ...], *arguments: bytes) -> bytes:
        """The command that runs it. All keys hold the same hash tag."""
        return command(b"EVALSHA", self.digest, b"%d" % len(keys), *keys, *arguments)


#: What Redis says unasked needs RESP3.
_TRACK: Final = (command(b"HELLO", b"3"), command(b"CLIENT", b"TRACKING", b"ON"))
_ROLE: Final = command(b"INFO", b"replication")
_scripts: list[Script] = []


def script(source: bytes) -> Script:
    """Declare a script, at import; it is loaded on each new connection."""
    made = Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())
    _scripts.append(made)
    return made


def is_forgotten(reply: Any) -> bool:
    """Whether the server lost its scripts (SCRIPT FLUSH, a failover): load them, then call again."""
    return isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT")


def usable(reply: Any) -> Any:
    """The reply itself, None for a key with a foreign value. Raises RedisUnavailable for any other error."""
    if isinstance(reply, ReplyError):
        if not str(reply).startswith("WRONGTYPE"):
            raise RedisUnavailable(str(reply))
        return None
    return reply


class Redis:
    """Calls that are made at the same time share the connection and its round trips; it reconnects by itself."""

    def __init__(
        self, config: RedisSettings, watch: ClientMetrics | None = None, changed: Changed | None = None
    ) -> None:
        """`changed` has Redis track what is read here, if it may: it hears of keys that change, and of a connection
        that was lost, with None."""
        self.connects = 0  # connections made; one more than reconnects
        self.watch = watch or ClientMetrics("redis")
        self._config = config
        self._changed = changed
        self._refused = ""  # why nothing is tracked
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._run_id = b""
        self._trouble = "not tried yet"

    @property
    def run_id(self) -> bytes:
        """Eight bytes that name the life of the server behind the newest connection; empty before the first."""
        return self._run_id

    @property
    def tracks(self) -> bool:
        """Whether `changed` hears of what is read from now on."""
        return self._connection is not None and self._connection.tracks

    @property
    def errors(self) -> int:
        """Replies of the newest connection that were errors: where they are as many as before a call, it had none."""
        return -1 if self._connection is None else self._connection.errors

    async def call(self, *commands: bytes) -> list[Any]:
        """The replies, in order; error replies are ReplyError values. Raises RedisUnavailable."""
        return await self.pipeline(b"".join(commands), len(commands))

    async def pipeline(self, data: bytes, replies: int) -> list[Any]:
        """`call` for `replies` commands that are one string already. Fails at once while there is no connection.

        Everything up to the write happens before the first suspension: calls leave in the order they are made, and
        go to the server that `run_id` names.
        """
        if not replies:
            return []
        with self.watch.request():
            return await self._answer(data, replies)

    async def load_scripts(self) -> None:
        """Load all declared scripts again. Raises RedisUnavailable."""
        for reply in await self.call(*_loads()):
            usable(reply)

    async def run(self, *commands: bytes) -> list[Any]:
        """`call` for commands that are all script calls: those that the server forgot are loaded and called again."""
        replies = await self.call(*commands)
        forgotten = [number for number, reply in enumerate(replies) if is_forgotten(reply)]
        if forgotten:
            await self.load_scripts()
            again = await self.call(*(commands[number] for number in forgotten))
            for number, reply in zip(forgotten, again, strict=True):
                replies[number] = reply
        return replies

    async def check(self) -> None:
        """Drop a connection whose server does not answer in time, or has become a replica."""
        if (connection := self._connection) is not None:
            with suppress(RedisUnavailable):
                if _REPLICA in (usable((await self.call(_ROLE))[0]) or b""):
                    connection.abort()

    async def connected(self, timeout: float) -> None:
        """Wait for a connection, `timeout` seconds at most. Raises RedisUnavailable."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            raise RedisUnavailable(f"{self._no_connection()} within {timeout:g} s") from None

    def _no_connection(self) -> str:
        return f"no connection to Redis at {self._config.host}:{self._config.port} ({self._trouble})"

    async def _answer(self, data: bytes, replies: int, connection: Connection | None = None) -> list[Any]:
        connection = connection or self._connection
        if connection is None:
            raise RedisUnavailable(self._no_connection())
        future = connection.send(data, replies)
        try:
            async with asyncio.timeout(self._config.timeout):
                return await future
        except TimeoutError:
            connection.abort()  # later replies would come even later: one connection, one order
            raise RedisUnavailable(f"no answer within {self._config.timeout:g} s") from None

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._config.timeout):
            at = self._config
            make = partial(Connection, self._changed)
            _, connection = await loop.create_connection(make, at.host, at.port, ssl=at.context())
        try:
            commands = [*self._greeting(), *_loads()]
            replies = [usable(reply) for reply in await self._answer(b"".join(commands), len(commands), connection)]
            info = replies[-1 - len(_scripts)]
            if _REPLICA in info:
                raise RedisUnavailable("it is a replica")
            connection.run_id = info.partition(b"run_id:")[2][:_RUN_ID_BYTES]
            if not connection.run_id:
                raise RedisUnavailable("INFO says no run_id: it is no Redis, or a proxy before several")
            if self._changed is not None:
                connection.tracks = await self._track(connection)
        except BaseException:
            connection.abort()
            raise
        return connection

    def _greeting(self) -> list[bytes]:
        commands = [command(b"INFO")]
        if self._config.database:
            commands.insert(0, command(b"SELECT", b"%d" % self._config.database))
        if password := self._config.current_password():
            commands.insert(0, command(b"AUTH", *(part.encode() for part in (self._config.username, password) if part)))
        return commands

    async def _track(self, connection: Connection) -> bool:
        replies = await self._answer(b"".join(_TRACK), len(_TRACK), connection)
        said = next((str(reply) for reply in replies if isinstance(reply, ReplyError)), "")
        if said and not self._refused:
            log.warning("Redis does not tell what changes, it is asked each time: %s", said)
        self._refused = said or self._refused
        return not said

    async def maintain(self) -> None:
        """Keep a connection until cancelled; pauses between attempts grow to a second."""
        pause = _FIRST_PAUSE_S
        try:
            while True:
                try:
                    connection = await self._open()
                except (OSError, LoginError, RedisUnavailable, TimeoutError) as error:
                    self._trouble = str(error) or "no answer in time"
                    log.warning(self._no_connection())
                    await asyncio.sleep(pause * (0.5 + secrets.randbelow(1000) / 1000))
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                    continue
                pause = _FIRST_PAUSE_S
                self._use(connection)
                await connection.lost
                self._lose()
        finally:
            self._lose()

    def _use(self, connection: Connection) -> None:
        self.connects += 1
        self._connection, self._run_id = connection, connection.run_id
        self._ready.set()

    def _lose(self) -> None:
        self._ready.clear()
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        if self._changed is not None:
            self._changed(None)


def _loads() -> list[bytes]:
    return [command(b"SCRIPT", b"LOAD", each.source) for each in _scripts]


@asynccontextmanager
async def connect(
    settings: Settings, patient: bool = False, watch: ClientMetrics | None = None, changed: Changed | None = None
) -> AsyncIterator[Redis]:
    """A connection; a `patient` user goes on where it is not up in time. Raises RedisUnavailable and LoginError."""
    settings.redis.context()
    redis = Redis(settings.redis, watch, changed)
    task = asyncio.create_task(redis.maintain(), name="redis")
    try:
        with suppress(RedisUnavailable) if patient else nullcontext():
            await redis.connected(settings.redis.timeout)
        yield redis
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


#: `connect` for those who can work without Redis for a while: calls fail until it is there.
reconnecting: Final = partial(connect, patient=True)
