"""A device: registers, holds a socket, pulls, acks, and shows each notification once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp
import msgspec

from streams.envelope import origin_of

SUBPROTOCOL: Final = "lockstep.v1"
_REMEMBERED: Final = 1000
_decode = msgspec.json.decode
_encode = msgspec.json.encode


class Refused(Exception):
    """The edge answered with a problem."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('type', '')}: {problem.get('detail') or problem.get('title', '')}")
        self.status = status
        self.problem = problem


class Closed(Exception):
    """The socket ended; `code` is the close code, `error` the message that came before it, if any."""

    def __init__(self, code: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"closed with {code} {error.get('error', '')} {error.get('detail', '')}".rstrip())
        self.code = code
        self.error = error


class Page(NamedTuple):
    """One page of a pull: the items not seen before, and when to ask again."""

    items: list[dict[str, Any]]
    more: bool
    poll_after: int


class Seen:
    """The documented rule: an item at or below the position of its lane is a repeat, and so is an id seen before.

    The position of an item is the high part of its id.
    """

    def __init__(self) -> None:
        self.repeats = 0
        self._positions: dict[str, int] = {}
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, item: Mapping[str, Any]) -> bool:
        """Whether to show the item; repeats are counted."""
        lane, id_ = item["lane"], item["id"]
        seq, _, _ = origin_of(bytes.fromhex(id_))
        if seq <= self._positions.get(lane, -1) or id_ in self._ids:
            self.repeats += 1
            return False
        self._positions[lane] = seq
        self._ids[id_] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return True


class Socket:
    """A socket after its hello. Iterating gives frames: welcome, notification, sync_end, goaway, pong."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, client: DeviceClient) -> None:
        self._socket = socket
        self._client = client

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Frames until the socket ends, repeats left out. Raises Closed unless the end was a normal one."""
        error: dict[str, Any] = {}
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            frame: dict[str, Any] = _decode(message.data)
            if frame["type"] == "error":
                error = frame
            elif self._client.take(frame):
                yield frame
        code = self._socket.close_code or 1006
        if code != aiohttp.WSCloseCode.OK:
            raise Closed(code, error)

    async def ack(self) -> None:
        """Say that everything up to the newest cursor is taken."""
        await self.send({"type": "ack", "cursor": self._client.cursor})

    async def ping(self) -> None:
        """Ask for a pong."""
        await self.send({"type": "ping"})

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send any message."""
        await self._socket.send_str(_encode(message).decode())

    async def close(self) -> None:
        """End the socket."""
        await self._socket.close()


class DeviceClient:
    """One device at the edge `base` (`http://host:port`). Keeps the newest cursor; an async context manager."""

    def __init__(self, base: str, device: str, token: str, cursor: str = "") -> None:
        self.cursor = cursor
        self.device = device
        self.seen = Seen()
        self._base = base.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the connections' pool."""
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def register(
        self,
        type_: str,
        app_version: str,
        *,
        platform: str = "socket",
        token: str = "",
        keys: Mapping[str, str] | None = None,
        capabilities: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Register the device; its first cursor is kept if it has none. Raises Refused."""
        body: dict[str, Any] = {
            "type": type_,
            "app_version": app_version,
            "platform": platform,
            "capabilities": capabilities,
        }
        if token:
            body["token"] = token
        if keys:
            body["keys"] = keys
        answer = await self._request("PUT", "", body=body)
        self.cursor = self.cursor or answer["cursor"]
        return answer

    async def describe(self) -> dict[str, Any]:
        """The device as it is registered. Raises Refused."""
        return await self._request("GET", "")

    async def forget(self) -> None:
        """Delete the registration. Raises Refused."""
        await self._request("DELETE", "")

    @asynccontextmanager
    async def connect(self, cursor: str | None = None) -> AsyncIterator[Socket]:
        """A socket whose hello is sent, from `cursor` on, or from the newest one."""
        # a connection of its own: one that has served a request stays with HTTP
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"{self._base}/v1/socket", protocols=(SUBPROTOCOL,), autoping=True, max_msg_size=0
            ) as socket,
        ):
            made = Socket(socket, self)
            start = self.cursor if cursor is None else cursor
            await made.send({"type": "hello", "token": self._token, "cursor": start})
            yield made

    async def ack(self) -> None:
        """Say over HTTP that everything up to the newest cursor is taken. Raises Refused."""
        await self._request("POST", "/acks", body={"cursor": self.cursor})

    async def pull(self, limit: int = 50, wait: int = 0) -> Page:
        """The next page, after `wait` s at most; its cursor is kept. Raises Refused."""
        query = {"cursor": self.cursor, "limit": str(limit), "wait": str(wait)}
        answer = await self._request("GET", "/notifications", query=query)
        self.cursor = answer["next_cursor"]
        items = [item for item in answer["items"] if self.seen.is_new(item)]
        return Page(items, answer["more"], answer["poll_after"])

    def take(self, frame: Mapping[str, Any]) -> bool:
        """Keep the cursor of a frame; False for a notification that was there before."""
        if frame["type"] == "sync_end":
            self.cursor = frame["cursor"]
        if frame["type"] != "notification":
            return True
        self.cursor = frame["item"]["cursor"]
        return self.seen.is_new(frame["item"])

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("a DeviceClient is used inside `async with`")
        return self._session

    async def _request(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        async with self._http().request(
            method,
            f"{self._base}/v1/devices/{self.device}{path}",
            params=query,
            data=None if body is None else _encode(body),
            headers={"Authorization": f"Bearer {self._token}"},
        ) as response:
            text = await response.read()
            answer = _decode(text) if text and "json" in response.content_type else {}
            if response.status >= 400:
                raise Refused(response.status, answer)
            return answer if isinstance(answer, dict) else {}
