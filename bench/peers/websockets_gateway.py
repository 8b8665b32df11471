"""A gateway on websockets."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_sockets
from websockets.typing import Subprotocol

from bench.peers.holding import HOST, PING_S, SUBPROTOCOL, SYNC_END, Devices, read_orders


def send(connection: ServerConnection, text: bytes) -> None:
    """One message, the way that waits for nobody."""
    broadcast((connection,), text.decode())


async def main() -> None:
    """Serve until killed."""
    orders, devices = read_orders(), Devices(send)

    async def socket(connection: ServerConnection) -> None:
        name = devices.hold(await connection.recv(), connection)
        await connection.send(SYNC_END)
        async for _ in connection:
            pass
        devices.leave(name)

    await serve_sockets(
        socket, HOST, orders.port, subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None, ping_interval=PING_S,
        backlog=4096,
    )  # fmt: skip
    await devices.serve_pushes(orders.push_port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
