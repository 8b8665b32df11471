"""A gateway on aiohttp: sockets, and polls that are answered from Redis."""

from __future__ import annotations

import asyncio

import redis.asyncio as redis
from aiohttp import WSMsgType, web

from bench.peers.holding import PING_S, SUBPROTOCOL, SYNC_END, Claims, Devices, Orders, read_orders, read_token, serve

LANES = ("0", "1", "2", "3")


async def send(connection: web.WebSocketResponse, text: bytes) -> None:
    """One message."""
    await connection.send_str(text.decode())


class Gateway:
    """Its handlers."""

    def __init__(self, orders: Orders) -> None:
        self.devices = Devices(send)
        self._redis = redis.Redis(**orders.redis, decode_responses=True)
        self._known: dict[str, Claims] = {}

    async def socket(self, request: web.Request) -> web.WebSocketResponse:
        """A device: its hello, then pushes until it leaves."""
        connection = web.WebSocketResponse(protocols=(SUBPROTOCOL,), compress=False, heartbeat=PING_S)
        await connection.prepare(request)
        name = self.devices.hold(await connection.receive_str(), connection)
        await connection.send_str(SYNC_END)
        async for message in connection:
            if message.type is not WSMsgType.TEXT:
                break
        self.devices.leave(name)
        return connection

    async def poll(self, request: web.Request) -> web.Response:
        """304 while the heads of the account are those of the tag."""
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = self._known.get(token) or self._known.setdefault(token, read_token(token))
        if claims.device != request.match_info["id"]:
            return web.Response(status=403)
        heads = await self._redis.hmget(f"polled:{claims.account}", *LANES)
        tag = '"' + "-".join(str(head or 0) for head in heads) + '"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        return web.json_response({"items": [], "next_cursor": tag.strip('"'), "more": False}, headers={"ETag": tag})


async def main() -> None:
    """Serve until killed."""
    orders = read_orders()
    gateway = Gateway(orders)
    app = web.Application()
    app.add_routes([
        web.get("/v1/socket", gateway.socket), web.get("/v1/devices/{id}/notifications", gateway.poll),
    ])  # fmt: skip
    await serve(app, orders.port)
    await gateway.devices.serve_pushes(orders.push_port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
