"""The sink for sockets: real HTTP servers stand for gateways, presence and leases are on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestServer
from msgspec.structs import astuple, replace

from sinks import wire
from sinks.gateways import Gateways, Lease
from sinks.posts import Posts, connect_http
from sinks.presence import Presence
from sinks.push import stage
from sinks.redis import Redis, command
from sinks.results import Result
from sinks.socket import SocketSink
from streams.envelope import encode
from streams.settings import Settings
from streams.stage import Resources
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import push

Answer = Callable[[wire.Delivery], Awaitable[web.Response]]


def _statuses(*statuses: int) -> web.Response:
    return web.Response(body=wire.encode_statuses(list(statuses)), content_type=wire.CONTENT_TYPE)


class FakeGateway:
    """Remembers deliveries, and answers as it is told."""

    def __init__(self) -> None:
        self.deliveries: list[wire.Delivery] = []
        self.answer: Answer = self.take
        self.lease: Lease

    async def take(self, delivery: wire.Delivery) -> web.Response:
        """200 for every device."""
        return _statuses(*(wire.TAKEN for note in delivery.notes for _ in (*note.targets, *note.others)))

    async def post(self, request: web.Request) -> web.Response:
        """The internal port."""
        assert request.content_type == wire.CONTENT_TYPE
        delivery = wire.decode_delivery(await request.read())
        self.deliveries.append(delivery)
        return await self.answer(delivery)

    def path(self, device: str, epoch: int = NOW) -> tuple[str, int, int, int]:
        """A device at this gateway."""
        return device, self.lease.number, self.lease.incarnation, epoch


Open = Callable[[], Awaitable[FakeGateway]]


@pytest_asyncio.fixture
async def open_gateway(memory: Redis) -> AsyncIterator[Open]:
    """Opens gateways that hold leases."""
    async with AsyncExitStack() as stack:

        async def make() -> FakeGateway:
            gateway, app = FakeGateway(), web.Application(client_max_size=1 << 24)
            app.router.add_post(wire.PATH, gateway.post)
            server = await stack.enter_async_context(TestServer(app))
            gateway.lease = await stack.enter_async_context(Lease(memory, f"{server.host}:{server.port}", 30))
            return gateway

        yield make


@pytest_asyncio.fixture
async def socket_sink(memory: Redis, store_settings: Settings) -> AsyncIterator[SocketSink]:
    """The sink, with a view of the gateways that is still empty."""
    async with connect_http(store_settings) as http:
        gateways = Gateways(memory)
        yield SocketSink(Posts(http, gateways), gateways, Presence(memory))


async def test_one_post_a_gateway(socket_sink: SocketSink, open_gateway: Open) -> None:
    """Gateways that opened a moment ago are found."""
    one, two = await open_gateway(), await open_gateway()
    pushes = [
        push(1, targets=(one.path("tv"), two.path("phone")), others=(two.path("web"),)),
        push(2, targets=(one.path("tv"),)),
    ]
    results = await socket_sink.deliver(pushes)
    assert sorted(results, key=astuple) == [
        Result(0, "phone", "delivered"),
        Result(0, "tv", "delivered"),
        Result(1, "tv", "delivered"),
    ]
    (first,), (second,) = one.deliveries, two.deliveries
    assert (first.gateway, first.incarnation) == (one.lease.number, one.lease.incarnation)
    assert [(n.seq, n.prev, n.targets, n.others) for n in first.notes] == [
        (at(1), at(0), ("tv",), ()),
        (at(2), at(1), ("tv",), ()),
    ]
    assert [(n.seq, n.targets, n.others) for n in second.notes] == [(at(1), ("phone",), ("web",))]
    assert (socket_sink._posts.sent, socket_sink.statuses) == (2, {"delivered": 3})
    assert await socket_sink.deliver([]) == []


async def test_what_is_not_there_is_removed_unless_it_is_newer(
    socket_sink: SocketSink, open_gateway: Open, memory: Redis, account: str
) -> None:
    """A removal is fenced by the epoch that the push names."""
    gateway, presence = await open_gateway(), Presence(memory)
    place = gateway.lease.number, gateway.lease.incarnation, 1
    stale, other = [await presence.register(account, device, *place) for device in ("tv", "web")]
    newer = await presence.register(account, "phone", *place)

    async def nobody(_: wire.Delivery) -> web.Response:
        return _statuses(wire.NOT_HERE, wire.NOT_HERE, wire.NOT_HERE)

    gateway.answer = nobody
    targets = gateway.path("tv", stale), gateway.path("phone", newer - 1)
    results = await socket_sink.deliver(
        [push(1, account=account, targets=targets, others=(gateway.path("web", other),))]
    )
    assert results == [Result(0, "tv", "gone", "not-here"), Result(0, "phone", "gone", "not-here")]
    assert (await memory.call(command(b"HKEYS", b"p:{%b}" % account.encode()))) == [[b"phone"]]
    assert socket_sink.forgotten == 2


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (421, b"", "gateway-away"),
        (429, b"", "rate"),
        (503, b"", "rate"),
        (400, b"", "gateway-away"),
        (200, b"\xc1", "gateway-away"),
        (200, wire.encode_statuses([200, 200]), "gateway-away"),
    ],
)
async def test_an_answer_without_statuses_says_nothing_of_the_devices(
    socket_sink: SocketSink, open_gateway: Open, status: int, body: bytes, why: str
) -> None:
    """They are undeliverable, and their presence stays."""
    gateway = await open_gateway()

    async def odd(_: wire.Delivery) -> web.Response:
        return web.Response(status=status, body=body)

    gateway.answer = odd
    assert await socket_sink.deliver([push(1, targets=(gateway.path("tv"),))]) == [Result(0, "tv", "later", why)]
    assert socket_sink.forgotten == 0


async def test_a_gateway_that_fails_disturbs_no_other(
    socket_sink: SocketSink, open_gateway: Open, memory: Redis
) -> None:
    """One refuses connections, one is in another life, one has no lease."""
    good, reborn = await open_gateway(), await open_gateway()
    async with Lease(memory, "127.0.0.1:1", 30) as refusing:
        targets = (
            good.path("tv"),
            ("phone", refusing.number, refusing.incarnation, NOW),
            ("web", reborn.lease.number, reborn.lease.incarnation + 1, NOW),
            ("stick", 4_000_000, 1, NOW),
        )
        results = await socket_sink.deliver([push(1, targets=targets)])
    assert {r.device: r.detail or r.status for r in results} == {
        "tv": "delivered",
        "phone": "gateway-away",
        "web": "gateway-away",
        "stick": "gateway-away",
    }
    assert reborn.deliveries == []


async def test_a_gateway_that_is_silent_is_left_out_for_a_while(
    socket_sink: SocketSink, open_gateway: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs one timeout, not one a batch; then it is tried again."""
    gateway, release = await open_gateway(), asyncio.Event()

    async def hang(delivery: wire.Delivery) -> web.Response:
        await release.wait()
        return await gateway.take(delivery)

    gateway.answer = hang
    monkeypatch.setattr(socket_sink._posts._http, "_timeout", ClientTimeout(total=0.2))
    targeted = [push(1, targets=(gateway.path("tv"),))]
    away = [Result(0, "tv", "later", "gateway-away")]
    assert await socket_sink.deliver(targeted) == away
    assert await socket_sink.deliver(targeted) == away
    assert len(gateway.deliveries) == 1
    release.set()
    socket_sink._posts._silent = dict.fromkeys(socket_sink._posts._silent, 0.0)
    assert await socket_sink.deliver(targeted) == [Result(0, "tv", "delivered")]


async def test_a_connection_that_was_closed_while_idle_is_opened_again(socket_sink: SocketSink, memory: Redis) -> None:
    """The push leaves a second time: a gateway drops what it has. Closed twice, the gateway is away."""
    replies = [wire.encode_statuses([200]), b"", wire.encode_statuses([200]), b"", b""]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        body = replies.pop(0)
        if body:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with Lease(memory, f"127.0.0.1:{port}", 30) as lease:
            targeted = [push(1, targets=(("tv", lease.number, lease.incarnation, NOW),))]
            results = [(await socket_sink.deliver(targeted))[0] for _ in range(3)]
    assert [r.detail or r.status for r in results] == ["delivered", "delivered", "gateway-away"]
    assert replies == []


async def test_large_batches_leave_in_parts_and_in_order(socket_sink: SocketSink, open_gateway: Open) -> None:
    """After a part that failed the rest is not tried: it could only arrive out of order."""
    gateway = await open_gateway()
    pushes = [push(n, targets=(gateway.path("tv"),), payload=b"x" * 400_000) for n in range(5)]
    assert all(r.status == "delivered" for r in await socket_sink.deliver(pushes))
    assert [[note.seq - at(0) for note in d.notes] for d in gateway.deliveries] == [[0, 1], [2, 3], [4]]

    async def second_fails(delivery: wire.Delivery) -> web.Response:
        return await gateway.take(delivery) if len(gateway.deliveries) == 1 else web.Response(status=421)

    gateway.deliveries.clear()
    gateway.answer = second_fails
    results = await socket_sink.deliver(pushes)
    assert [r.status for r in results] == ["delivered"] * 2 + ["later"] * 3
    assert len(gateway.deliveries) == 2


async def test_batches_that_wait_for_a_gateway_share_the_next_post(socket_sink: SocketSink, open_gateway: Open) -> None:
    """Each gets the results of its own devices; the batches of other partitions do not queue up one by one."""
    gateway, gate, arrived = await open_gateway(), asyncio.Event(), asyncio.Event()

    async def slow(delivery: wire.Delivery) -> web.Response:
        arrived.set()
        await gate.wait()
        gone = {n.account: wire.NOT_HERE for n in delivery.notes if n.account == "ben"}
        return _statuses(*(gone.get(note.account, wire.TAKEN) for note in delivery.notes))

    gateway.answer = slow
    batches = [[push(n, account=name, targets=(gateway.path(name),))] for n, name in enumerate(("anna", "ben", "cem"))]
    first = asyncio.create_task(socket_sink.deliver(batches[0]))
    await asyncio.wait_for(arrived.wait(), 10)
    others = [asyncio.create_task(socket_sink.deliver(batch)) for batch in batches[1:]]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gate.set()
    assert [await task for task in (first, *others)] == [
        [Result(0, "anna", "delivered")],
        [Result(0, "ben", "gone", "not-here")],
        [Result(0, "cem", "delivered")],
    ]
    assert [[note.account for note in each.notes] for each in gateway.deliveries] == [["anna"], ["ben", "cem"]]


async def test_the_stage_push_finds_its_sink_and_reports(store_settings: Settings, open_gateway: Open) -> None:
    """By the path in topics.yaml, on the resources of the worker."""
    gateway, output = await open_gateway(), FakeOutput()

    async def half(_: wire.Delivery) -> web.Response:
        return _statuses(wire.TAKEN, wire.TURNED_TO_SYNC)

    gateway.answer = half
    async with AsyncExitStack() as stack:
        made = make_stage("push", output, lane=0, settings=store_settings)
        made = replace(made, resources=Resources(store_settings, stack))
        handler = await stage(made)
        value = encode(push(1, targets=(gateway.path("tv"), gateway.path("web"))))
        batch = FakeBatch("push.socket.critical", [FakeRecord(0, b"anna", value)])
        assert await handler(batch) == at(1)
    assert [(o.kind, o.devices, o.detail) for o in output.outcomes()] == [
        ("pushed", ("tv",), ""),
        ("undeliverable", ("web",), "syncing"),
    ]
