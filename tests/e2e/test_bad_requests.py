"""Bad tokens, cursors, requests and frames: a clear error for who sent them, and nothing for anybody else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from lockstep_client import Refused

from edge import cursor as cursors
from edge.auth.tokens import PUBLIC, generate_keys, issue
from streams.settings import Tokens
from tests.e2e.events import event, send
from tests.e2e.household import DEADLINE, HOUR, Household, raw_socket, read_all
from tests.e2e.system import System

CLAIMS = {"iss": "lockstep", "aud": "lockstep-devices", "sub": "tv", "type": "tv", "exp": 4_000_000_000}


@asynccontextmanager
async def bystander(system: System) -> AsyncIterator[Household]:
    """A household whose television is online; after the block it gets an event on the socket that it had before."""
    async with Household(system) as home:
        screen = await home.on("bystander")
        before = event(home.account)
        await send(system, before)
        await screen.shows(before["id"])
        yield home
        after = event(home.account)
        await send(system, after)
        await screen.shows(before["id"], after["id"])
        assert screen.code is None


def of_another_key(home: Household, directory: Path) -> str:
    """A token that says the right things and is signed by somebody else."""
    private, _ = generate_keys(directory)
    return issue(private, Tokens(), "tv", home.account, "tv", HOUR)


def unsigned(home: Household, _: Path) -> str:
    """A token that wants no signature."""
    parts = ({"alg": "none"}, {**CLAIMS, "account": home.account})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def of_no_character(_: Household, __: Path) -> str:
    """A token whose algorithm is half a surrogate pair, which no answer can repeat."""
    return base64.urlsafe_b64encode(rb'{"alg":"\ud800"}').decode().rstrip("=") + ".e30.c2ln"


def signed_with_the_public_key(home: Household, _: Path) -> str:
    """A token whose secret is the public key, which everybody may know."""
    public = (home.system.pipeline.directory / "keys" / PUBLIC).read_bytes()
    return jwt.encode({"alg": "HS256"}, {**CLAIMS, "account": home.account}, OctKey.import_key(public))


BAD_TOKENS: dict[str, Callable[[Household, Path], str]] = {
    "nonsense": lambda home, _: "nonsense",
    "empty": lambda home, _: "",
    "no ASCII": lambda home, _: "tökén",
    "of another key": of_another_key,
    "over": lambda home, _: home.token("tv", lifetime=-HOUR),
    "changed": lambda home, _: home.token("tv")[:-6] + "AAAAAA",
    "unsigned": unsigned,
    "of no character": of_no_character,
    "signed with the public key": signed_with_the_public_key,
    "too long": lambda home, _: "x" * 5000,
}


async def problem(
    home: Household, method: str, path: str, token: str, body: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and problem of a request that is refused."""
    headers = {"Authorization": f"Bearer {token}".encode().decode("latin-1")}
    url = f"{home.system.url}/v1/devices/{path}"
    async with aiohttp.request(method, url, headers=headers, data=body) as response:
        assert response.content_type == "application/problem+json"
        answer: dict[str, Any] = await response.json(content_type=None)
        assert answer["status"] == response.status
        assert answer["title"]
        return response.status, answer


async def closed(home: Household, *messages: object) -> tuple[int, dict[str, Any]]:
    """Close code and error of a socket on which these messages are sent: objects, or bytes of a text message."""
    frames: list[dict[str, Any]] = []
    async with raw_socket(home.system) as socket:
        for message in messages:
            raw = message if isinstance(message, bytes) else json.dumps(message).encode()
            await socket.send(raw, text=True)
        code = await read_all(socket, frames)
    error = frames[-1]
    assert (error["type"], error["code"]) == ("error", code)
    assert error["detail"]
    return code, error


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_bad_token(running: System, tmp_path: Path, name: str) -> None:
    """401 and `bad-token` over HTTP, close code 4401 on a socket."""
    async with bystander(running) as home:
        await home.register("tv")
        token = BAD_TOKENS[name](home, tmp_path)
        for method, path in (("GET", "tv/notifications"), ("PUT", "tv"), ("DELETE", "tv"), ("POST", "tv/acks")):
            status, answer = await problem(home, method, path, token)
            assert (status, answer["type"]) == (401, "urn:lockstep:problem:bad-token")
        code, error = await closed(home, {"type": "hello", "token": token, "cursor": ""})
        assert (code, error["error"]) == (4401, "bad-token")


async def test_token_of_another_device(running: System) -> None:
    """It opens nothing of a neighbour's: 403, and its socket is that of its own device."""
    async with bystander(running) as home:
        await home.register("tv")
        for method, path in (("GET", "bystander/notifications"), ("DELETE", "bystander"), ("POST", "bystander/acks")):
            status, answer = await problem(home, method, path, home.token("tv"))
            assert (status, answer["type"]) == (403, "urn:lockstep:problem:wrong-device")


async def test_device_that_is_not_registered(running: System) -> None:
    """404 and close code 4404, with the advice to register."""
    async with bystander(running) as home:
        token = home.token("stranger")
        for method, path in (("GET", "stranger"), ("GET", "stranger/notifications"), ("DELETE", "stranger")):
            status, answer = await problem(home, method, path, token)
            assert (status, answer["type"]) == (404, "urn:lockstep:problem:unknown-device")
            assert "register" in answer["detail"]
        code, error = await closed(home, {"type": "hello", "token": token})
        assert (code, error["error"]) == (4404, "unknown-device")


def another_accounts(_: Household) -> str:
    """A good cursor of somebody else."""
    return cursors.encode(cursors.Cursor(cursors.fingerprint("another"), 4_000_000_000, (1, 1, 1, 1)))


BAD_CURSORS: dict[str, Callable[[Household], str]] = {
    "nonsense": lambda home: "nonsense",
    "no base64": lambda home: "!" * 64,
    "no ASCII": lambda home: "ä" * 64,
    "cut": lambda home: another_accounts(home)[:-3],
    "of another version": lambda home: "_" + another_accounts(home)[1:],
    "position out of range": lambda home: another_accounts(home)[:16] + "_" * 48,
    "too long": lambda home: "A" * 4000,
}


@pytest.mark.parametrize("name", BAD_CURSORS)
async def test_malformed_cursor(running: System, name: str) -> None:
    """400 and `malformed-cursor` in a pull and an ack, close code 4400 in a hello and an ack."""
    async with bystander(running) as home:
        tv = await home.register("tv")
        token, cursor = home.token("tv"), BAD_CURSORS[name](home)
        tv.cursor = cursor
        with pytest.raises(Refused, match="400 urn:lockstep:problem:malformed-cursor"):
            await tv.pull()
        status, answer = await problem(home, "POST", "tv/acks", token, json.dumps({"cursor": cursor}).encode())
        assert (status, answer["type"]) == (400, "urn:lockstep:problem:malformed-cursor")
        hello = {"type": "hello", "token": token}
        for messages in ([{**hello, "cursor": cursor}], [hello, {"type": "ack", "cursor": cursor}]):
            code, error = await closed(home, *messages)
            assert (code, error["error"]) == (4400, "malformed-cursor")


async def test_cursor_of_another_account(running: System) -> None:
    """It acks nothing; to pull or say hello with it is a fresh start."""
    async with bystander(running) as home:
        tv = await home.register("tv")
        cursor = another_accounts(home)
        body = json.dumps({"cursor": cursor}).encode()
        status, answer = await problem(home, "POST", "tv/acks", home.token("tv"), body)
        assert (status, answer["type"]) == (400, "urn:lockstep:problem:malformed-cursor")
        tv.cursor = cursor
        assert len((await tv.pull()).items) == 1


class Frames(NamedTuple):
    """Messages that are refused, `HELLO` standing for a good one, and what answers them."""

    messages: tuple[object, ...]
    code: int
    error: str


BAD_FRAMES: dict[str, Frames] = {
    "no JSON": Frames((b"{",), 4400, "malformed-message"),
    "no object": Frames((b"[]",), 4400, "malformed-message"),
    "deep": Frames((b"[" * 10_000,), 4400, "malformed-message"),
    "no UTF-8": Frames((b'{"type":"hello","token":"\xff"}',), 1007, "protocol-error"),
    "unknown type": Frames(({"type": "subscribe"},), 4400, "malformed-message"),
    "no hello first": Frames(({"type": "ping"},), 4400, "malformed-message"),
    "hello without token": Frames(({"type": "hello"},), 4400, "malformed-message"),
    "second hello": Frames(("HELLO", "HELLO"), 4400, "malformed-message"),
    "ack without cursor": Frames(("HELLO", {"type": "ack"}), 4400, "malformed-message"),
    "no UTF-8 after the hello": Frames(("HELLO", b'{"type":"ack","cursor":"\xff"}'), 1007, "protocol-error"),
    "too large": Frames((b"x" * 20_000,), 1009, "protocol-error"),
    "too large after the hello": Frames(("HELLO", b"x" * 70_000), 1009, "protocol-error"),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
async def test_malformed_message(running: System, name: str) -> None:
    """An error frame that says what is wrong, and its close code."""
    case = BAD_FRAMES[name]
    async with bystander(running) as home:
        await home.register("tv")
        hello = {"type": "hello", "token": home.token("tv")}
        code, error = await closed(home, *(hello if message == "HELLO" else message for message in case.messages))
        assert (code, error["error"]) == (case.code, case.error)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02{}", 1002),  # not masked
        (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\x82\x80\0\0\0\0", 1003),  # binary
        (b"\x80\x80\0\0\0\0", 1002),  # the rest of nothing
        (b"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 1009),  # larger than any message
    ],
)
async def test_malformed_frame(running: System, data: bytes, code: int) -> None:
    """Bytes against the protocol are answered with an error and a close frame, then the connection ends."""
    async with bystander(running):
        port = int(running.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"GET /v1/socket HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + data
        )
        answer = await asyncio.wait_for(reader.readuntil(code.to_bytes(2, "big") + b"protocol-error"), DEADLINE)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b'"error":"protocol-error"' in answer
        writer.write(b"\x88\x80\0\0\0\0")
        assert await asyncio.wait_for(reader.read(), DEADLINE) == b""
        writer.close()


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /v1/socket HTTP/1.1", 426),
        (b"GET /nothing HTTP/1.1", 404),
        (b"PATCH /v1/devices/tv HTTP/1.1", 405),
        (b"\x16\x03\x01\x02\x00\x01\x00 TLS", 400),
    ],
)
async def test_malformed_request(running: System, request_line: bytes, status: int) -> None:
    """What is no request of a device has its status, and the edge goes on."""
    async with bystander(running):
        port = int(running.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_line + b"\r\nHost: edge\r\nConnection: close\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), DEADLINE)
        writer.close()
        assert answer.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (b"{", 400, "malformed-body"),
        (b'{"type":"tv","app_version":"\xff"}', 400, "malformed-body"),
        (b'{"type":"tv","app_version":"latest"}', 400, "malformed-app-version"),
        (b'{"type":"toaster","app_version":"1.0"}', 400, "unknown-device-type"),
        (b'{"type":"phone","app_version":"1.0"}', 403, "wrong-device-type"),
        (b'{"type":"tv","app_version":"1.0","platform":"pigeon"}', 400, "unknown-platform"),
        (b" " * 100_000, 413, "request-entity-too-large"),
    ],
)
async def test_malformed_registration(running: System, body: bytes, status: int, name: str) -> None:
    """The problem says which part is wrong; the device is not registered by it."""
    async with bystander(running) as home:
        found, answer = await problem(home, "PUT", "tv", home.token("tv"), body)
        assert (found, answer["type"]) == (status, f"urn:lockstep:problem:{name}")
        assert (await problem(home, "GET", "tv", home.token("tv")))[0] == 404
