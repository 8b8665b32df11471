"""The poll that finds nothing new, answered before HTTP is read in full: nearly all polls are, and all devices poll.

A request of a form that is known by heart is looked at here. Whatever else it is, or finds, goes on to aiohttp from its
first byte, as if nobody had looked. Line numbers are those of aiohttp 3.14.5.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.web_protocol import RequestHandler

from edge import cursor as cursors
from edge.auth.access import Access
from edge.auth.identity import Identity
from edge.cursor import BadCursor, Cursor
from edge.pull.endpoint import FULL_READ_S, Pull
from edge.pull.tags import matches, nothing_above, tag_of
from edge.reports import Reports
from sinks.heads import Asked
from sinks.tracked import TrackedHeads

_LINE: Final = re.compile(
    rb"GET /v1/devices/([A-Za-z0-9._:~-]{1,128})/notifications"
    rb"\?cursor=([A-Za-z0-9_-]{1,208})(?:&limit=([0-9]{1,4}))?(?:&wait=0)? HTTP/1\.1"
)
_NAME: Final = re.compile(rb"[A-Za-z0-9-]+")
#: Headers that change what is to be done with a request, or where it ends.
_NOT_PLAIN: Final = frozenset((b"content-length", b"expect", b"origin", b"transfer-encoding", b"upgrade"))
_WANTED: Final = frozenset((b"authorization", b"if-none-match"))
_BEARER: Final = b"bearer "
_END: Final = b"\r\n\r\n"
_METHOD: Final = re.compile(rb"(?:DELETE|GET|OPTIONS|POST|PUT) ")
_SIZE: Final = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n")
#: No number of bytes: where a request ends is known to aiohttp alone.
_UNKNOWN: Final = -1
#: Bytes that may wait behind a poll; with more no more are read until its heads have come.
MOST_HELD: Final = 64 * 1024
#: Longest time that the head of a request may take once it has begun, s.
HEAD_S: Final = 15.0
#: Longest time that a connection may be without a request, s. Proxies keep one for up to 600 s.
IDLE_S: Final = 660.0


class Asking(NamedTuple):
    """A request for notifications, as it was written."""

    device: str
    cursor: str
    limit: int
    token: str
    tag: str


class Poll(NamedTuple):
    """A request that is good, and what it has."""

    identity: Identity
    cursor: Cursor
    tag: str


def read(data: bytes) -> Asking | None:
    """The request that the data are, whole and alone; None for any other, and for one that is written otherwise."""
    if not data.startswith(b"GET /v1/devices/") or not data.endswith(_END) or data.count(_END) != 1:
        return None
    line, *lines = data[:-4].split(b"\r\n")
    if data.count(b"\n") != len(lines) + 2 or data.count(b"\r") != len(lines) + 2:
        return None
    target = _LINE.fullmatch(line)
    wanted = _headers(lines)
    if target is None or wanted is None or len(wanted) != len(_WANTED):
        return None
    authorization = wanted[b"authorization"]
    if authorization[: len(_BEARER)].lower() != _BEARER:
        return None
    device, cursor, limit = target.groups(b"1")
    token = authorization[len(_BEARER) :].strip().decode("latin-1")
    return Asking(device.decode(), cursor.decode(), int(limit), token, wanted[b"if-none-match"].decode("latin-1"))


def _headers(lines: list[bytes]) -> dict[bytes, bytes] | None:
    """Those that are wanted; None where there is one that matters otherwise, is there twice, or is no plain header."""
    found: dict[bytes, bytes] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if name in _WANTED and name not in found:
            found[name] = value.strip(b" \t")
        elif name in _WANTED or not colon or not _is_plain(name, value):
            return None
    return found


def _is_plain(name: bytes, value: bytes) -> bool:
    if name == b"connection":
        return value.strip().lower() == b"keep-alive"
    return name not in _NOT_PLAIN and _NAME.fullmatch(name) is not None


class QuickPolls:
    """Knows which polls find nothing new."""

    def __init__(
        self,
        pull: Pull,
        heads: TrackedHeads,
        access: Access,
        reports: Reports,
        lanes: int,
        most: int,
        clock: Callable[[], float],
    ) -> None:
        """`most`: the greatest limit of a page."""
        self._pull = pull
        self._heads = heads
        self._access = access
        self._reports = reports
        self._lanes = lanes
        self._most = most
        self._clock = clock

    def end(self) -> None:
        """This process ends: HTTP answers from now on, and says so."""
        self._most = 0

    def take(self, data: bytes) -> Poll | None:
        """The poll that the data are, if heads can answer it."""
        asking = read(data)
        if asking is None or not 1 <= asking.limit <= self._most:
            return None
        identity = self._access.known(asking.device, asking.token)
        if identity is None:
            return None
        try:
            cursor = cursors.decode_for(asking.cursor, identity.account, self._lanes)
        except BadCursor:
            return None
        if cursor is None or cursor.as_of < self._clock() - FULL_READ_S:
            return None
        return Poll(identity, cursor, asking.tag)

    def known(self, poll: Poll) -> tuple[int, ...] | None:
        """The heads, where Redis need not be asked."""
        heads = self._heads.known(poll.identity.account)
        self._pull.known += heads is not None
        return heads

    def ask(self, poll: Poll) -> Asked:
        """The heads, when they have come."""
        return self._heads.ask(poll.identity.account)

    def answer(self, poll: Poll, heads: tuple[int, ...]) -> bytes | None:
        """304, and that the device has what its cursor says; None where there is more to say."""
        tag = tag_of(heads)
        if not (nothing_above(poll.cursor, heads) and matches(poll.tag, tag)) or self._access.admit(poll.identity):
            return None
        self._reports.presented("pulled", poll.identity.account, poll.identity.device, poll.cursor.positions)
        self._pull.unchanged += 1
        head = (
            f"HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\nPoll-After: {next(self._pull.load.afters)}\r\n"
            f"Cache-Control: no-store\r\nDate: {rfc822_formatted_time()}"
        )
        return head.encode() + _END


class QuickHandler(RequestHandler):
    """HTTP on one connection. Polls are tried first where nothing that came before is unfinished."""

    __slots__ = ("_due", "_held", "_late", "_polls")

    def __init__(self, polls: QuickPolls, manager: Any, **options: Any) -> None:
        super().__init__(manager, keepalive_timeout=IDLE_S, **options)
        self._polls = polls
        self._late: asyncio.TimerHandle | None = None  # runs while a head is half there
        self._due = 0  # bytes that the last request given to aiohttp lacks
        self._held: bytes | None = None  # what came while the heads are awaited

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._held is not None:
            self._held += data
            if len(self._held) > MOST_HELD:
                self._pause_reading_for_buffer()
            return
        poll = self._polls.take(data) if not self._due and self._is_idle() else None
        if poll is None:
            self._go_on(data)
        elif (heads := self._polls.known(poll)) is not None:
            self._end(self._polls.answer(poll, heads), data)
        else:
            self._held = b""
            self._polls.ask(poll).add_done_callback(partial(self._answered, poll, data))

    def _is_idle(self) -> bool:
        """Whether aiohttp waits for a request (web_protocol.py, `start`), having answered all."""
        return self._waiter is not None and not self._waiter.done() and not self._force_close and not self._close

    def _go_on(self, data: bytes) -> None:
        self._due = due(self._due, data)
        idle = self._is_idle()
        super().data_received(data)
        if not (idle and self._is_idle()):
            self._stop_timer()
        elif self._late is None:
            self._late = self._loop.call_later(HEAD_S, self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Closed, or taken back."""
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _answered(self, poll: Poll, data: bytes, asked: Asked) -> None:
        held, self._held = self._held or b"", None
        known = not asked.cancelled() and asked.exception() is None
        if self.transport is None or self.transport.is_closing():
            return
        if len(held) > MOST_HELD:
            self._resume_reading_for_buffer()
        answer = self._polls.answer(poll, asked.result()) if known and self._is_idle() else None
        self._end(answer, data, held)

    def _end(self, answer: bytes | None, data: bytes, held: bytes = b"") -> None:
        if answer is None or self.transport is None:
            self._go_on(data + held)
            return
        self.transport.write(answer)
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
        if held:
            self.data_received(held)


def due(before: int, data: bytes) -> int:
    """Bytes of a request that are still to come, of which so many were before the data; below 0 for ever where that
    is not certain, or bytes of a body would be read as a request."""
    if before or not data:
        return before - len(data) if before >= len(data) else _UNKNOWN
    head, end, body = data.partition(_END)
    if not end or not _METHOD.match(head):
        return _UNKNOWN
    head = head.lower() + b"\r\n"
    sizes = head.count(b"content-length")
    size = _SIZE.search(head) if sizes == 1 else None
    if (sizes and size is None) or b"transfer-encoding" in head or b"upgrade" in head:
        return _UNKNOWN
    return max(_UNKNOWN, (int(size[1]) if size else 0) - len(body))
