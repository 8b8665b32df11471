"""One connection to Redis on the bare hiredis reader: commands go out, replies come back in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import hiredis

ReplyError = hiredis.ReplyError
#: Is told of keys that were read on a tracked connection and have changed since; None: any of them may have.
Changed = Callable[[Sequence[bytes] | None], None]
#: What a replica says, such as a master that was: where the address is a name, it leads to the new one by now.
_REPLICA: Final = ("READONLY", "MASTERDOWN")
_NO_MORE: Final = object()  # hiredis' own, False, equals a reply of 0
log = logging.getLogger(__name__)


class RedisUnavailable(Exception):
    """Redis cannot be reached, does not answer in time, or refuses commands altogether.

    Whether the commands of the failed call took effect is unknown.
    """


class _Waiting:
    """A call on its way: how many replies it needs, and those that came."""

    __slots__ = ("future", "needs", "replies")

    def __init__(self, future: asyncio.Future[list[Any]], needs: int) -> None:
        self.future = future
        self.needs = needs
        self.replies: list[Any] = []


class _Errors:
    """Makes the error replies for the parser, and counts them: nobody has to look for one in what is read."""

    made = 0

    def __call__(self, said: str) -> Any:
        self.made += 1
        return ReplyError(said)


class Connection(asyncio.Protocol):
    """Writes commands and hands replies to the calls in order. It is not used again after it is lost."""

    def __init__(self, changed: Changed | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.run_id = b""
        self.tracks = False  # whether Redis tells of keys that change
        self._errors = _Errors()
        self._changed = changed
        self._loop = loop
        self._reader = hiredis.Reader(replyError=self._errors, notEnoughData=_NO_MORE)
        self._waiting: deque[_Waiting] = deque()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        for waiting in self._waiting:
            if not waiting.future.done():
                waiting.future.set_exception(RedisUnavailable(f"the connection was lost: {exc or 'closed by Redis'}"))
        self._waiting.clear()
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        came: list[Any] = []
        errors = self.errors
        try:
            came.extend(iter(self._reader.gets, _NO_MORE))
        except hiredis.ProtocolError:
            log.exception("what the server at Redis' address says is not RESP")
            self.abort()
        if self.errors != errors or (self._changed is not None and hiredis.PushNotification in map(type, came)):
            came = self._heard(came)
        self._hand_out(came)

    @property
    def errors(self) -> int:
        """Replies that were errors, ever."""
        return self._errors.made

    def _heard(self, came: list[Any]) -> list[Any]:
        """The answers among it; what is said unasked is heard, and a replica is left."""
        for reply in came:
            if isinstance(reply, hiredis.PushNotification):
                self._hear(*reply)
            elif isinstance(reply, ReplyError) and any(word in str(reply) for word in _REPLICA):
                self._leave(reply)
        return [reply for reply in came if not isinstance(reply, hiredis.PushNotification)]

    def _hand_out(self, came: list[Any]) -> None:
        while came:
            if not self._waiting:  # "max number of clients reached" is said before anything is asked
                self._leave(came[0])
                return
            waiting = self._waiting[0]
            missing = waiting.needs - len(waiting.replies)
            waiting.replies += came[:missing]
            came = came[missing:]
            if len(waiting.replies) == waiting.needs:
                self._waiting.popleft()
                if not waiting.future.done():
                    waiting.future.set_result(waiting.replies)

    def _hear(self, kind: bytes, keys: Sequence[bytes] | None = None, *_: Any) -> None:
        if kind == b"invalidate" and self._changed is not None:
            self._changed(keys)

    def _leave(self, said: Any) -> None:
        if self._transport is not None and not self._transport.is_closing():
            log.warning("the connection to Redis is dropped, which says: %s", said)
            self.abort()

    def send(self, data: bytes, replies: int) -> asyncio.Future[list[Any]]:
        """Write commands now; the future gets their replies. Raises RedisUnavailable."""
        if self._transport is None or self._transport.is_closing():
            raise RedisUnavailable("not connected")
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        self._waiting.append(_Waiting(future, replies))
        self._transport.write(data)
        return future

    def abort(self) -> None:
        """Drop the connection with all that is in flight."""
        if self._transport is not None:
            self._transport.abort()
