"""The clients that devices are made of, under test: in Python, in Node, and in a browser where there is one."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from lockstep_client import Cursors, Device

from tests.e2e.household import DEADLINE, until
from tests.unit.fakes import ROOT

JAVASCRIPT = ROOT / "clients" / "javascript"
SUBJECT = ROOT / "tests" / "e2e" / "subject"
#: A browser that calls nobody but the test.
BROWSER = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-sync", "--disable-background-networking", "--disable-component-update",
    "--remote-debugging-port=0",
)  # fmt: skip
PAGE = """<!doctype html><script type="module">
import { play } from "/tests/e2e/subject/subject.mjs";
await play(JSON.parse(decodeURIComponent(location.hash.slice(1))));
</script>"""
KINDS = ("python", "node", "browser")


@dataclass
class Subject:
    """A device under test: what it showed, what it was told, and how it ended."""

    device: str
    token: Callable[[], str]
    cursors: Cursors = field(default_factory=Cursors)
    stop_after: int = sys.maxsize
    resync: bool = False
    code: str = ""  # that it gives of every item
    items: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    ended: dict[str, Any] | None = None

    @property
    def shown(self) -> list[str]:
        """The ids of the events, in order."""
        return [event for item in self.items for event in item["events"]]

    def count(self, type_: str) -> int:
        """How often it was told this."""
        return sum(frame["type"] == type_ for frame in self.told)

    @property
    def reasons(self) -> list[str]:
        """Why it tried again, each time."""
        return [frame["why"] for frame in self.told if frame["type"] == "retrying"]

    def give_token(self) -> str:
        """The next token; they are counted."""
        self.tokens += 1
        return self.token()

    def say(self, what: Mapping[str, Any]) -> bool:
        """Note what a client did; whether it should stop."""
        if what["type"] == "item":
            self.items.append(what["item"])
        elif what["type"] == "ended":
            self.ended = dict(what)
        else:
            self.told.append(dict(what))
        return len(self.items) >= self.stop_after

    async def welcomed(self) -> None:
        """Wait until it is live; one that polls may do so for a while yet."""
        await until(lambda: self.count("sync_end") > 0, lambda: self, 3 * DEADLINE)

    async def shows(self, events: list[str]) -> None:
        """Wait until the last of these has come, then they must be all, each once."""
        await until(lambda: self.ended is not None or set(events) <= set(self.shown), lambda: (events, self))
        assert sorted(self.shown) == sorted(events)

    async def ends(self) -> str:
        """Wait for its end; the error."""
        await until(lambda: self.ended is not None, lambda: self)
        assert self.ended is not None
        return str(self.ended["error"])


@asynccontextmanager
async def playing(kind: str, subject: Subject, url: str, directory: Path) -> AsyncIterator[Subject]:
    """The subject, played by a client of this kind at the edge of this address."""
    async with AsyncExitStack() as stack:
        if kind == "python":
            task = asyncio.create_task(_python(subject, url))
            stack.push_async_callback(_cancelled, task)
        else:
            control = await stack.enter_async_context(_control(subject))
            options = {
                "control": control, "url": url, "device": subject.device, "type": "browser", "appVersion": "2.0",
                "resync": subject.resync,
            }  # fmt: skip
            start = _node if kind == "node" else _browser
            stack.callback(_killed, start(options, directory))
        yield subject


async def _python(subject: Subject, url: str) -> None:
    device = Device(
        url, subject.device, subject.give_token, "browser", "2.0", cursors=subject.cursors,
        watch=lambda frame: frame["type"] == "notification" or subject.say(frame),
        resync=(lambda: subject.say({"type": "resync"})) if subject.resync else None,
    )  # fmt: skip

    async def take(item: dict[str, Any]) -> str:
        if subject.say({"type": "item", "item": item}):
            device.stop()
        return subject.code

    error = ""
    try:
        await device.run(take)
    except Exception as raised:
        error = f"{type(raised).__name__}: {raised}"
    subject.say({"type": "ended", "error": error, "repeats": device.repeats})


def _node(options: Mapping[str, Any], directory: Path) -> subprocess.Popen[bytes]:
    with (directory / f"{options['device']}-node.log").open("ab") as log:
        return subprocess.Popen(["node", str(SUBJECT / "node.mjs"), json.dumps(options)], stdout=log, stderr=log)


def _browser(options: Mapping[str, Any], directory: Path) -> subprocess.Popen[bytes]:
    return _open_browser(f"{options['control']}/#{json.dumps(options)}", directory, options["device"])


def _open_browser(address: str, directory: Path, name: str) -> subprocess.Popen[bytes]:
    assert shutil.which("chromium"), "chromium is missing: python3 -m deploy.local tools --with chromium"
    profile = f"--user-data-dir={directory / 'profile'}"
    with (directory / f"{name}-browser.log").open("ab") as log:
        return subprocess.Popen([*BROWSER, profile, address], stdout=log, stderr=log)


@asynccontextmanager
async def _control(subject: Subject) -> AsyncIterator[str]:
    """What a client in JavaScript calls: for its code, a token, its cursor, and to say what it does."""

    async def said(request: web.Request) -> web.Response:
        return web.json_response({"stop": subject.say(json.loads(await request.text())), "code": subject.code})

    async def token(request: web.Request) -> web.Response:
        return web.Response(text=subject.give_token())

    async def load(request: web.Request) -> web.Response:
        return web.Response(text=subject.cursors.load())

    async def save(request: web.Request) -> web.Response:
        subject.cursors.save(await request.text())
        return web.Response()

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.add_routes([
        web.get("/", page), web.post("/said", said), web.get("/token", token), web.get("/cursor", load),
        web.post("/cursor", save),
        *(web.static(f"/{folder.relative_to(ROOT).as_posix()}", folder) for folder in (JAVASCRIPT, SUBJECT)),
    ])  # fmt: skip
    async with _served(app) as address:
        yield address


@asynccontextmanager
async def _served(app: web.Application) -> AsyncIterator[str]:
    """The address of an application."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def browsing(page: str, token: str, directory: Path) -> AsyncIterator[list[str]]:
    """What a page says by POST /said, in a browser; it finds the client and a token where it was served."""
    said: list[str] = []

    async def serve(request: web.Request) -> web.StreamResponse:
        match request.path:
            case "/":
                return web.Response(text=page, content_type="text/html")
            case "/token":
                return web.Response(text=token)
            case "/said":
                said.append(await request.text())
                return web.Response()
            case path:
                return web.FileResponse(JAVASCRIPT / path.strip("/"))

    app = web.Application()
    app.add_routes([web.route("*", "/{name:.*}", serve)])
    async with _served(app) as address:
        process = _open_browser(f"{address}/", directory, "page")
        try:
            yield said
        finally:
            _killed(process)


def with_ws() -> Path:
    """The JavaScript client with the library `ws`, for a Node that has no WebSocket of its own; installed once."""
    marker = JAVASCRIPT / "node_modules" / ".package-lock.json"
    if not marker.exists() or marker.stat().st_mtime < (JAVASCRIPT / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-progress"], cwd=JAVASCRIPT, check=True, timeout=300)
    return JAVASCRIPT


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _killed(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
