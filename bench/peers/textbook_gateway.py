"""The gateway of the textbook pipeline, on aiohttp: a socket for each device, and a request for each push."""

from __future__ import annotations

import json
import os

import redis.asyncio as redis
from aiohttp import WSMsgType, web

from bench.peers.holding import read_token

CONFIG = json.loads(os.environ["TEXTBOOK"])


class Gateway:
    """Holds the sockets by account and device."""

    def __init__(self) -> None:
        self._sockets: dict[tuple[str, str], web.WebSocketResponse] = {}
        self._redis = redis.Redis(**CONFIG["redis"])

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """A device: its hello, then pushes until it leaves. Acks are read and not kept."""
        socket = web.WebSocketResponse(protocols=("lockstep.v1",), compress=False)
        await socket.prepare(request)
        hello = await socket.receive_json()
        account, device, type_ = read_token(hello["token"])
        await self._redis.hset(f"devices:{account}", device, type_)
        await self._redis.set(f"online:{account}:{device}", CONFIG["push"])
        self._sockets[account, device] = socket
        await socket.send_json({"type": "sync_end", "cursor": ""})
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
        del self._sockets[account, device]
        return socket

    async def push(self, request: web.Request) -> web.Response:
        """One event for one device."""
        event = await request.json()
        socket = self._sockets.get((event["subject"], event["device"]))
        if socket is None:
            return web.Response(status=404)
        item = {"id": event["id"], "type": event["type"], "time": event["time"], "events": [event["id"]],
                "data": event["data"], "cursor": ""}  # fmt: skip
        await socket.send_json({"type": "notification", "item": item})
        return web.Response()


def main() -> None:
    """Serve."""
    gateway = Gateway()
    app = web.Application()
    app.add_routes([web.get("/v1/socket", gateway.socket), web.post("/push", gateway.push)])
    web.run_app(app, host="127.0.0.1", port=CONFIG["port"], access_log=None, print=None)


if __name__ == "__main__":
    main()
