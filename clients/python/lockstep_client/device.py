"""A device that is on: registered, connected or polling, and back by itself after whatever ended its connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

import aiohttp

from lockstep_client.connection import DeviceClient, Page, Socket, acknowledgement
from lockstep_client.cursors import Cursors
from lockstep_client.rules import CODES, MOST_S, Backoff, Closed, Cure, Refused, Seen

Item = dict[str, Any]
#: Gives a token: asked for the first one, and for another when a connection has lived its time or a token is refused.
GiveToken = Callable[[], Awaitable[str] | str]

_ACK_S: Final = 0.1
_WELCOME_S: Final = 15.0
#: The edge pings each `ping` s; so much later it is asked whether it is there.
_LATE_S: Final = 5.0
_WAIT_S: Final = 25
_LIMIT: Final = 100
#: So many sockets in a row must fail before their welcome until the device polls instead; then for how long, s.
_FAILURES: Final = 3
_FIRST_POLLING_S: Final = 5.0
_MOST_POLLING_S: Final = 300.0
#: What comes of the way to the edge. What is no JSON, or lacks a member, was not said by the edge.
_ERRORS: Final = (Closed, Refused, aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError)


T = TypeVar("T")


async def _awaited(given: Awaitable[T] | T) -> T:
    return await given if isinstance(given, Awaitable) else given


class _Raised(Exception):
    """An error of the application, which is not one of the way to the edge."""


async def _ask(application: Callable[..., object], *arguments: object) -> object:
    """Call the application, which may be async; what it gives. Raises _Raised."""
    try:
        return await _awaited(application(*arguments))
    except Exception as error:
        raise _Raised from error


class Device:
    """One device of an account at the edge `base` (`https://host`)."""

    def __init__(
        self,
        base: str,
        device: str,
        token: str | GiveToken,
        type_: str,
        app_version: str,
        *,
        cursors: Cursors | None = None,
        resync: Callable[[], object] | None = None,
        watch: Callable[[Mapping[str, Any]], object] = lambda frame: None,
        ack: bool = True,
    ) -> None:
        """`cursors` keeps the place between two lives. `resync` loads the whole state where more was missed than is
        kept; without it such a device stops. `watch` is told the frames of the edge, and of each pause `{"type":
        "retrying", "why": "…", "after": s}`. `ack=False`: take what comes and say nothing.
        """
        self._token = token
        self._registration = type_, app_version
        self._cursors = cursors or Cursors()
        self._resync = resync
        self._watch = watch
        self._ack = ack
        self._client = DeviceClient(base, device, "")
        self._take: Callable[[Item], object] = lambda item: None
        self._stopped = False
        self._registered = False
        self._backoff = Backoff(random.SystemRandom().random)
        self._cures: set[Cure] = set()  # tried since it last went well
        self._welcomed = 0.0  # steady time of the last welcome, 0 while there was none on this connection
        self._failures = 0
        self._polling = 0.0
        self._taken = ""  # the client's cursor is that of what it has read
        self._unacked = 0
        self._codes: dict[str, str] = {}  # to be told with the next ack
        self._silence, self._window = _WELCOME_S, 1

    @property
    def repeats(self) -> int:
        """Items that came again and were not shown."""
        return self._client.seen.repeats

    async def run(self, take: Callable[[Item], object]) -> None:
        """Give each item to `take`, once, and those of a lane in order, until `stop` or a cancellation.

        `take` may be async. An item counts as taken once it has returned: then the cursor is saved, and the edge told.
        It may return one of `CODES`, which the edge is told too: what the application did with the item.
        Raises Refused or Closed where no other try helps, and what the application raises.
        """
        self._take = take
        self._stopped = False
        self._client.cursor, self._client.seen = self._cursors.load(), Seen()
        try:
            async with self._client:
                while not self._stopped:
                    error = await self._turn()
                    if error is not None and not self._stopped:
                        await asyncio.sleep(await self._mend(error))
        except _Raised as raised:
            raise raised.__cause__ or raised from None

    def stop(self) -> None:
        """End `run` after the item in hand. From elsewhere cancel the task of `run`: what was taken is saved."""
        self._stopped = True

    # -- one connection after the other

    async def _turn(self) -> Exception | None:
        """Be connected for as long as it lasts; why it ended, None after a stop."""
        try:
            await self._prepare()
            if self._failures >= _FAILURES:
                await self._poll()
            if not self._stopped:
                await self._hold()
        except _ERRORS as error:
            return error
        return None

    async def _prepare(self) -> None:
        if not self._client.token:
            self._client.token = self._token if isinstance(self._token, str) else await _awaited(self._token())
        if not self._registered:
            await self._client.register(*self._registration)
            self._registered = True
            await self._keep(self._client.cursor)

    async def _hold(self) -> None:
        self._welcomed, self._unacked = 0.0, 0
        self._failures += 1
        async with self._client.connect() as socket:
            try:
                await self._frame(await socket.receive(_WELCOME_S))
                while not self._stopped:
                    await self._frame(await self._next(socket))
            finally:
                with suppress(*_ERRORS):
                    await self._tell(socket)

    async def _next(self, socket: Socket) -> dict[str, Any]:
        """The next frame. Meanwhile what was taken is acked, and a silent edge asked whether it is there."""
        if 0 < self._unacked < self._window // 2:
            with suppress(TimeoutError):
                return await socket.receive(_ACK_S)
        await self._tell(socket)
        with suppress(TimeoutError):
            return await socket.receive(self._silence)
        await socket.ping()
        return await socket.receive(self._silence)

    async def _tell(self, socket: Socket) -> None:
        if self._unacked and self._ack:
            await socket.send({"type": "ack", **acknowledgement(self._taken, self._codes)})
        self._unacked, self._codes = 0, {}

    async def _frame(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "notification":
            await self._took(frame["item"])
            return
        await _ask(self._watch, frame)
        match frame["type"]:
            case "welcome":
                self._silence, self._window = frame["ping"] + _LATE_S, frame["window"]
                self._welcomed = asyncio.get_running_loop().time()
                self._failures, self._polling = 0, 0.0
                self._cures.clear()
            case "sync_end":
                await self._keep(frame["cursor"])
            case "goaway":
                if frame["reason"] == "lifetime" and not isinstance(self._token, str):
                    self._client.token = ""  # so an ending token announces itself too
                raise Closed(1001, {"error": "going-away", "detail": frame["reason"]}, float(frame["reconnect_after"]))

    async def _took(self, item: Item) -> None:
        await _ask(self._watch, {"type": "notification", "item": item})
        code = await _ask(self._take, item)
        if code in CODES and self._ack:
            self._codes[item["id"]] = str(code)
        await self._keep(item["cursor"])
        self._unacked += 1

    async def _keep(self, cursor: str) -> None:
        self._client.cursor = self._taken = cursor
        await _ask(self._cursors.save, cursor)

    # -- where no socket can be had

    async def _poll(self) -> None:
        """Pull until it is time to try a socket again, which is later each time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._polling
        more = True
        while not self._stopped and (more or loop.time() < end):
            page = await self._client.pull(_LIMIT, max(0, min(_WAIT_S, int(end - loop.time()))))
            await self._page(page)
            self._cures.clear()
            self._backoff.reset()
            more = page.more
            if not more:
                await asyncio.sleep(max(0.0, min(page.poll_after, end - loop.time())))
        self._polling = min(_MOST_POLLING_S, max(_FIRST_POLLING_S, 2 * self._polling))

    async def _page(self, page: Page) -> None:
        end = self._client.cursor
        for item in page.items:
            await self._took(item)
            if self._stopped:
                break
        else:
            await self._keep(end)
        if page.items and self._ack:
            codes, self._codes = self._codes, {}
            await self._client.ack(codes)  # its cursor is that of what was taken

    # -- after an error

    async def _mend(self, error: Exception) -> float:
        """Do what lets the next try succeed; seconds to wait for it. Raises the error where nothing does."""
        cure = error.cure if isinstance(error, Closed | Refused) else Cure.AGAIN
        again = cure in self._cures
        if self._is_final(cure, again):
            raise error
        self._cures.add(cure)
        if self._welcomed and asyncio.get_running_loop().time() - self._welcomed > MOST_S:
            self._backoff.reset()
        match cure:
            case Cure.RENEW:
                self._client.token = ""
            case Cure.REGISTER:
                self._registered = False
            case Cure.RESYNC if self._resync is not None:
                await _ask(self._resync)
                await self._keep("")
        after = error.retry_after if isinstance(error, Closed | Refused) else 0.0
        if again or cure is Cure.AGAIN:
            after += self._backoff.next()
        await _ask(self._watch, {"type": "retrying", "why": str(error) or type(error).__name__, "after": after})
        return after

    def _is_final(self, cure: Cure, again: bool) -> bool:
        """Whether the cure is none, is not at hand, or did not help."""
        match cure:
            case Cure.RENEW:
                return again or isinstance(self._token, str)
            case Cure.RESYNC:
                return self._resync is None
            case _:
                return cure is Cure.NOTHING
