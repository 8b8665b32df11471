"""Keys from an address: a server of the test's own gives them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edge.auth import jwks
from edge.auth.jwks import RemoteKeys
from edge.auth.tokens import PRIVATE, PUBLIC, BadKeys, BadToken, Verifier, generate_keys, issue
from streams.settings import Tokens


@dataclass
class Issuer:
    """Answers with `text`."""

    text: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    address: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """The keys."""
        return web.Response(body=self.text, status=self.status, headers=self.headers)


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuer]:
    """An issuer that runs."""
    issuer = Issuer()
    app = web.Application()
    app.router.add_get("/jwks", issuer.answer)
    async with TestServer(app) as server:
        issuer.address = str(server.make_url("/jwks"))
        yield issuer


@pytest.mark.parametrize(
    ("header", "kept"),
    [("", 300), ("max-age=600", 600), ("public, max-age=1", 60), ("max-age=86400", 3600), ("max-age=x", 300)],
)
async def test_keys_are_kept_as_long_as_they_may(tmp_path: Path, header: str, kept: float) -> None:
    """Within bounds; tokens of theirs are taken."""
    private, public = generate_keys(tmp_path)
    async with issuing() as issuer:
        issuer.text, issuer.headers = public.read_bytes(), {"Cache-Control": header}
        verifier = Verifier(Tokens(keys=issuer.address))
        assert await RemoteKeys(issuer.address, verifier).fetch() == kept
        token = issue(private, Tokens(), "tv", "alice", "tv", 60)
        assert verifier.verify(token, time.time()).device == "tv"


async def test_what_is_no_key_set_is_said() -> None:
    """With the address; so is an issuer that is not there."""
    async with issuing() as issuer:
        remote = RemoteKeys(issuer.address, Verifier(Tokens(keys=issuer.address)))
        for text, status in ((b"", 200), (b"{}", 200), (b"[]", 200), (b"x", 500), (b"", 302)):
            issuer.text, issuer.status = text, status
            with pytest.raises(BadKeys, match="jwks"):
                await remote.fetch()
    with pytest.raises(BadKeys, match="cannot be fetched"):
        await remote.fetch()


def test_keys_do_not_come_in_the_clear() -> None:
    """But from this machine."""
    for address in ("http://issuer.example/jwks", "http://10.0.0.1/jwks"):
        with pytest.raises(BadKeys, match="https"):
            RemoteKeys(address, Verifier(Tokens(keys=address)))
    RemoteKeys("https://issuer.example/jwks", Verifier(Tokens(keys="https://issuer.example/jwks")))


async def test_a_new_key_is_fetched_when_its_first_token_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at each of them; while the issuer is away the keys stay."""
    monkeypatch.setattr(jwks, "_LOOK_S", 0.01)
    monkeypatch.setattr(jwks, "UNKNOWN_S", 0.05)
    old, new = tmp_path / "old", tmp_path / "new"
    for directory in (old, new):
        generate_keys(directory)
    tokens = [issue(directory / PRIVATE, Tokens(), "tv", "alice", "tv", 60) for directory in (old, new)]
    async with issuing() as issuer:
        issuer.text = (old / PUBLIC).read_bytes()
        verifier = Verifier(Tokens(keys=issuer.address))
        remote = RemoteKeys(issuer.address, verifier)
        task = asyncio.create_task(remote.run(await remote.fetch()))
        assert verifier.verify(tokens[0], time.time())
        issuer.status = 500
        await _until(lambda: refused(verifier, tokens[1]) and remote.fetches > 1)
        assert verifier.verify(tokens[0], time.time())
        issuer.text, issuer.status = (new / PUBLIC).read_bytes(), 200
        await _until(lambda: not refused(verifier, tokens[1]))
        assert refused(verifier, tokens[0])
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def refused(verifier: Verifier, token: str) -> bool:
    """Whether the token is not taken now."""
    try:
        verifier.verify(token, time.time())
    except BadToken:
        return True
    return False


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)
