"""The gateway of a process: its connections, hellos, messages, timers, and the drain at its end."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Final, Literal

import msgspec

from edge import cursor as cursors
from edge.auth.tokens import BadToken, Verifier
from edge.protocol import Range, Session, Sessions, State
from edge.reports import Reports
from edge.sockets import messages
from edge.sockets.backlog import Backlog
from edge.sockets.connection import Connection, Phase, give_way
from edge.sockets.slices import Slices
from edge.sockets.terms import terms_of
from edge.sockets.timers import Deadlines, Ring
from streams.settings import Edge

#: Of a second in the ring of pings: all pings of a second at once would have pushes and polls wait for their answers.
TURNS: Final = 20
#: Seconds between `goaway` and the close, and between the close frame and the end of a device that does not answer it.
GRACE_S: Final = 4
#: Longest time over which a drain says goaway, s; as many a second as that takes, and never fewer.
DRAIN_S: Final = 10.0
_DRAIN_RATE: Final = 500.0
#: Part of the lifetime by which connections differ, so that they do not all come back at once.
_SPREAD: Final = 0.1
_random = random.SystemRandom()
log = logging.getLogger(__name__)


class Gateway:
    """Holds the connections. Called in the loop's thread only."""

    def __init__(
        self,
        settings: Edge,
        sessions: Sessions,
        backlog: Backlog,
        verifier: Verifier,
        reports: Reports,
        http: Callable[[], asyncio.Protocol],
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._backlog = backlog
        self._verifier = verifier
        self._reports = reports
        self._http = http
        self._clock, self._steady = clock, steady
        self._terms = terms_of(settings)
        self._pace = self._terms.pace()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ring: Ring[Connection] = Ring(settings.ping_interval * TURNS)
        self._greeting: Deadlines[Connection] = Deadlines(max(1, round(settings.hello_timeout)))
        self._leaving, self._closing = (Deadlines[Connection](GRACE_S) for _ in range(2))
        self._empty = asyncio.Event()
        self.sessions = sessions
        self.hellos = Slices()
        self.turns = Slices()  # of the ring
        self.tick = self.connections = self.accepted = 0
        self.draining = False

    def accept(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        self.accepted += 1
        return Connection(self)

    # -- what connections tell

    def joined(self, connection: Connection) -> None:
        """Accepted, or taken back from HTTP: a hello is due."""
        self.connections += 1
        connection.seen = self.tick
        self._greeting.add(connection)

    def left(self, connection: Connection) -> None:
        """Closed: nothing of it remains, nor its presence."""
        self.connections -= 1
        if not self.connections:
            self._empty.set()
        for deadlines in (self._greeting, self._leaving, self._closing):
            deadlines.discard(connection)
        if connection.slot >= 0:
            self._ring.discard(connection.slot, connection)
        session, connection.session = connection.session, None
        if session is not None:
            self.sessions.leave(session)
            self._spawn(self._backlog.leave(session))

    def handed_over(self, connection: Connection) -> asyncio.Protocol:
        """Not a socket of a device: the protocol that goes on with it."""
        self.left(connection)
        return self._http()

    def admits(self, connection: Connection) -> bool:
        """Whether a device may send one more frame now."""
        full = self._pace.take(connection.full, self._steady())
        connection.full = connection.full if full is None else full
        self.sessions.counts.flooded += full is None
        return full is not None

    def hello(self, connection: Connection, text: bytes) -> None:
        """The first message of a connection; checked in its turn, whose time is not the device's."""
        self._greeting.discard(connection)
        self.hellos.add(partial(self._hello, connection, text), connection.abort)

    def message(self, connection: Connection, text: bytes) -> None:
        """A message after the hello."""
        session = connection.session
        try:
            message = messages.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            connection.shut(messages.MALFORMED_MESSAGE, str(error))
            return
        if isinstance(message, messages.Ping):
            if not connection.paused:
                connection.write(messages.PONG)
        elif isinstance(message, messages.Ack) and session is not None:
            self._ack(connection, session, message)
        else:
            connection.shut(messages.MALFORMED_MESSAGE, "a second hello")

    def slow(self, connection: Connection) -> None:
        """The device does not read."""
        if connection.session is not None:
            self.sessions.slow(connection.session)

    def behind(self, connection: Connection) -> None:
        """The session may have to read its inbox; one task a connection does."""
        session = connection.session
        if session is not None and session.state is State.SYNC and not connection.reading and not connection.paused:
            self._start(connection, self._backlog.read(session, connection))

    def closing(self, connection: Connection) -> None:
        """The close frame is on its way: pushes no longer go there."""
        self._greeting.discard(connection)
        self._closing.add(connection)
        if connection.session is not None:
            self.sessions.leave(connection.session)

    # -- hellos and acks

    def _hello(self, connection: Connection, text: bytes) -> None:
        if connection.phase is not Phase.VERIFYING:
            return
        if self.draining:
            connection.abort()
            return
        now = self._clock()
        try:
            message = messages.decode(text)
            if not isinstance(message, messages.Hello):
                raise msgspec.ValidationError("the first message must be a hello")
            identity = self._verifier.verify(message.token, now)
            cursor = cursors.decode_for(message.cursor, identity.account, len(self.sessions.lanes))
        except (msgspec.MsgspecError, RecursionError) as error:
            connection.shut(messages.MALFORMED_MESSAGE, str(error))
        except BadToken as error:
            connection.shut(messages.BAD_TOKEN, str(error))
        except cursors.BadCursor as error:
            connection.shut(messages.MALFORMED_CURSOR, str(error))
        else:
            if cursor is not None and cursor.is_over(now):
                connection.shut(messages.RESYNC_REQUIRED, "the cursor is older than anything kept")
                return
            session, replaced = self.sessions.open(identity, cursor, connection)
            if replaced is not None:
                give_way(replaced)
            if cursor is not None:
                self._reports.presented("acked", session.account, session.device, cursor.positions)
            self._opened(connection, session, identity.expires - now)

    def _opened(self, connection: Connection, session: Session, token_life: float) -> None:
        longest, turn = self._settings.lifetime, self._settings.ping_interval  # an end is noticed at a turn of the ring
        shortest = longest * (1 - _SPREAD)
        life = _random.uniform(shortest, max(shortest, longest - turn))
        connection.ends = self.tick + int(min(life, token_life + GRACE_S - turn))
        connection.slot = self._ring.add(connection, _random.randrange(turn * TURNS))  # so a herd is none next time
        connection.opened(session)
        self._start(connection, self._backlog.greet(session, connection, self._terms))

    def _ack(self, connection: Connection, session: Session, message: messages.Ack) -> None:
        try:
            ranges: list[Range] = session.acknowledge(message.cursor)
        except cursors.BadCursor as error:
            connection.shut(messages.MALFORMED_CURSOR, str(error))
            return
        self.sessions.counts.acks += 1
        self._reports.ranges("acked", session.account, session.device, ranges)
        self._reports.coded(session.account, session.device, message.codes)

    # -- presence that was lost

    async def recover(self, session: Session) -> None:
        """Write the presence of a session again, then have it read what was not pushed. Raises STORE_ERRORS."""
        connection = session.link
        if not isinstance(connection, Connection):
            connection.resync()  # a long poll registers again
        elif await self._backlog.register(session, connection) is not None:
            self.sync(session)

    def sync(self, session: Session) -> None:
        """Have a session read its inbox, once more where it does so already."""
        if session.is_gone():
            return
        session.again = True
        session.state = State.SYNC
        session.link.resync()

    # -- time

    def advance(self) -> None:
        """One second has passed."""
        self.tick += 1
        for connection in self._greeting.advance():
            connection.shut(messages.HELLO_TIMEOUT, f"no hello within {self._settings.hello_timeout:g} s")
        for connection in self._leaving.advance():
            connection.shut(messages.GOING_AWAY, "connect again")
        for connection in self._closing.advance():
            connection.abort()

    def turn(self) -> None:
        """A part of a second has passed, of which it has TURNS: pings that go out together are answered together."""
        for connection in self._ring.advance():
            self.turns.add(partial(self._turn, connection), connection.abort)

    def _turn(self, connection: Connection) -> None:
        if connection.phase is not Phase.OPEN:
            return
        if self.tick - connection.seen > 2 * self._settings.ping_interval:
            connection.abort()
            return
        if self.tick >= connection.ends:
            self._go_away(connection, 0, "lifetime")
        if not connection.paused:
            connection.write(messages.PING)

    def _go_away(self, connection: Connection, reconnect_after: float, reason: Literal["lifetime", "draining"]) -> None:
        if connection not in self._leaving:
            connection.write(messages.frame(messages.GoAway(round(reconnect_after, 1), reason)))
            self._leaving.add(connection)

    async def drain(self) -> None:
        """Send all devices elsewhere, paced, within a bounded time."""
        self.draining = True
        for connection in self._greeting.members():
            connection.abort()
        links = [session.link for session in self.sessions.all() if isinstance(session.link, Connection)]
        step = max(1, round(max(_DRAIN_RATE, len(links) / DRAIN_S) / 10))
        for at in range(0, len(links), step):
            for connection in links[at : at + step]:
                self._go_away(connection, _random.uniform(0, DRAIN_S), "draining")
            await asyncio.sleep(0.1)
        await self._until_empty(GRACE_S)
        for connection in links:
            connection.shut(messages.GOING_AWAY, "this gateway ends")
        await self._until_empty(1.0)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2.0)  # presence is being removed
        for task in self._tasks:
            task.cancel()

    async def _until_empty(self, seconds: float) -> None:
        if self.connections:
            self._empty.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    # -- tasks

    def _start(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        connection.reading = True
        self._spawn(self._reading(connection, work))

    async def _reading(self, connection: Connection, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a session failed")
            connection.shut(messages.UNAVAILABLE, "internal error")
        finally:
            connection.reading = False

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
