"""A device's requests and its socket, one by one: what `Device` is made of, for those who need the single steps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import aiohttp

from lockstep_client.rules import Closed, Refused, Seen

SUBPROTOCOL: Final = "lockstep.v1"
#: Longest wait, s, for a connection, and for an answer beyond what was asked to wait.
_CONNECT_S: Final = 10.0
_ANSWER_S: Final = 20.0
#: Seconds until the next pull after 304 of an edge of an earlier release, which does not say.
_UNSAID_S: Final = 30


def acknowledgement(cursor: str, codes: Mapping[str, str] | None) -> dict[str, Any]:
    """What an ack says; an edge of an earlier release knows no codes."""
    return {"cursor": cursor, "codes": dict(codes)} if codes else {"cursor": cursor}


class Page(NamedTuple):
    """One page of a pull: the items not seen before, and when to ask again, s."""

    items: list[dict[str, Any]]
    more: bool
    poll_after: int


class Socket:
    """A socket after its hello. Iterating gives frames: welcome, notification, sync_end, goaway, pong."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, client: DeviceClient) -> None:
        self._socket = socket
        self._client = client
        self._error: dict[str, Any] = {}

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Frames until the socket ends, repeats left out. Raises Closed unless the end was a normal one."""
        try:
            while True:
                yield await self.receive()
        except Closed as closed:
            if closed.code != aiohttp.WSCloseCode.OK:
                raise

    async def receive(self, silence: float | None = None) -> dict[str, Any]:
        """The next frame that is no repeat. Raises Closed, and TimeoutError after `silence` s without any."""
        while True:
            message = await self._socket.receive(silence)
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise Closed(self._socket.close_code or 1006, self._error)
            frame: dict[str, Any] = json.loads(message.data)
            if frame["type"] == "error":
                self._error = frame
            elif self._client.take(frame):
                return frame

    async def ack(self, codes: Mapping[str, str] | None = None) -> None:
        """Say that everything up to the newest cursor is taken, and by id what became of single items (`CODES`)."""
        await self.send({"type": "ack", **acknowledgement(self._client.cursor, codes)})

    async def ping(self) -> None:
        """Ask for a pong."""
        await self.send({"type": "ping"})

    async def send(self, message: Mapping[str, Any]) -> None:
        """Send any message."""
        await self._socket.send_str(json.dumps(message, separators=(",", ":")))

    async def close(self) -> None:
        """End the socket."""
        await self._socket.close()


class DeviceClient:
    """One device at the edge `base` (`http://host:port`). Keeps the newest cursor; an async context manager."""

    def __init__(self, base: str, device: str, token: str, cursor: str = "") -> None:
        self.cursor = cursor
        self.device = device
        self.token = token
        self.seen = Seen()
        self._tag = ""  # of the last page
        self._base = base.rstrip("/")
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
        """Register the device; its first cursor is kept if it has none. `token` and `keys` are the platform's.

        Raises Refused.
        """
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
        """A socket whose hello is sent, from `cursor` on, or from the newest one. Raises aiohttp.ClientError."""
        async with asyncio.timeout(_CONNECT_S):
            socket = await self._http().ws_connect(
                f"{self._base}/v1/socket", protocols=(SUBPROTOCOL,), autoping=True, max_msg_size=0
            )
        async with socket:
            made = Socket(socket, self)
            start = self.cursor if cursor is None else cursor
            await made.send({"type": "hello", "token": self.token, "cursor": start})
            yield made

    async def ack(self, codes: Mapping[str, str] | None = None) -> None:
        """Say over HTTP that everything up to the newest cursor is taken, and by id what became of items (`CODES`).

        Raises Refused.
        """
        await self._request("POST", "/acks", body=acknowledgement(self.cursor, codes))

    async def pull(self, limit: int = 50, wait: int = 0) -> Page:
        """The next page, after `wait` s at most; its cursor is kept. Raises Refused."""
        query = {"cursor": self.cursor, "limit": str(limit), "wait": str(wait)}
        tag = {"If-None-Match": self._tag} if self._tag else {}
        async with self._send("GET", "/notifications", query=query, headers=tag, patience=wait + _ANSWER_S) as response:
            answer = await answer_of(response)
        self._tag = response.headers.get("ETag", "")
        if response.status == 304:
            return Page([], more=False, poll_after=int(response.headers.get("Poll-After", _UNSAID_S)))
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

    async def _request(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        async with self._send(method, path, data=data) as response:
            return await answer_of(response)

    def _send(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = _ANSWER_S,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._http().request(
            method,
            f"{self._base}/v1/devices/{self.device}{path}",
            params=query,
            data=data,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            timeout=aiohttp.ClientTimeout(total=patience, connect=_CONNECT_S),
        )


async def answer_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The JSON object of an answer, {} where there is none. Raises Refused."""
    text = await response.read()
    answer = json.loads(text) if text and "json" in response.content_type else {}
    answer = answer if isinstance(answer, dict) else {}
    if response.status >= 400:
        after = response.headers.get("Retry-After", "")
        raise Refused(response.status, answer, float(after) if after.isdecimal() else 0.0)
    return answer
