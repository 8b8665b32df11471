"""The poll that finds nothing new, answered before HTTP is read in full: nearly all polls are, and all devices poll.

A request of a form that is known by heart is looked at here. Whatever else it is, or finds, goes on to aiohttp from its
first byte, as if nobody had looked. Line numbers are those of aiohttp 3.14.5.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from aiohttp.helpers import rfc822_formatted_time
from aiohttp.web_protocol import RequestHandler

from edge.auth.access import Access
from edge.pull.asking import END, Poll, Reader
from edge.pull.endpoint import FULL_READ_S, Pull
from edge.pull.tags import matches, nothing_above, tag_of
from edge.reports import Reports
from sinks.heads import Asked
from sinks.tracked import TrackedHeads

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
_NOTHING_NEW: Final = (
    b"HTTP/1.1 304 Not Modified\r\nETag: %b\r\nPoll-After: %d\r\nCache-Control: no-store\r\nDate: %b\r\n\r\n"
)


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
        self._reader = Reader(lanes, access)
        self._most = most
        self._clock = clock

    def end(self) -> None:
        """This process ends: HTTP answers from now on, and says so."""
        self._most = 0

    def take(self, data: bytes) -> Poll | None:
        """The poll that the data are, if heads can answer it."""
        poll = self._reader.read(data)
        if poll is None or not 1 <= poll.limit <= self._most:
            return None
        now = self._clock()
        return poll if poll.cursor.as_of >= now - FULL_READ_S and self._access.stands(poll.identity, now) else None

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
        identity, positions = poll.identity, poll.cursor.positions
        tag = poll.own if heads == positions else _tag(poll, heads)
        if not tag or self._access.admit(identity):
            return None
        self._reports.presented("pulled", identity.account, identity.device, positions)
        self._pull.unchanged += 1
        return _NOTHING_NEW % (tag, next(self._pull.load.afters), rfc822_formatted_time().encode())


def _tag(poll: Poll, heads: tuple[int, ...]) -> bytes:
    """The tag of these heads, if the request has it and nothing is above its cursor; else empty."""
    tag = tag_of(heads)
    return tag.encode() if nothing_above(poll.cursor, heads) and matches(poll.tags, tag) else b""


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
    head, end, body = data.partition(END)
    if not end or not _METHOD.match(head):
        return _UNKNOWN
    head = head.lower() + b"\r\n"
    sizes = head.count(b"content-length")
    size = _SIZE.search(head) if sizes == 1 else None
    if (sizes and size is None) or b"transfer-encoding" in head or b"upgrade" in head:
        return _UNKNOWN
    return max(_UNKNOWN, (int(size[1]) if size else 0) - len(body))
