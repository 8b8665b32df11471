"""A gateway on picows."""

from __future__ import annotations

import asyncio

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from bench.peers.holding import HOST, PING_S, SYNC_END, Devices, read_orders


def send(transport: WSTransport, text: bytes) -> None:
    """One message."""
    transport.send(WSMsgType.TEXT, text)


class Socket(WSListener):
    """A device: its hello, then pushes until it leaves."""

    def __init__(self, devices: Devices) -> None:
        super().__init__()
        self._devices = devices
        self._name: tuple[str, str] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The hello; nothing else is kept."""
        if self._name is None and frame.msg_type == WSMsgType.TEXT:
            self._name = self._devices.hold(frame.get_payload_as_bytes(), transport)
            send(transport, SYNC_END.encode())

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It left."""
        if self._name is not None:
            self._devices.leave(self._name)


async def main() -> None:
    """Serve until killed."""
    orders, devices = read_orders(), Devices(send)
    server = await ws_create_server(
        lambda request: Socket(devices), HOST, orders.port, backlog=4096, read_buffer_init_size=1024,
        enable_auto_ping=True, auto_ping_idle_timeout=PING_S,
    )  # fmt: skip
    await server.start_serving()
    await devices.serve_pushes(orders.push_port)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
