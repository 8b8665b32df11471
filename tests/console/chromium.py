"""A real headless Chromium, driven over its own protocol as a person would: keys, clicks, and what is to be seen."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.e2e.subjects import BROWSER

_LARGEST: Final = 64 * 1024 * 1024  # of a message: a screenshot in base64
_START_S: Final = 30.0


class Connection:
    """What a browser is asked, and what it says by itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        #: The addresses that the page asked for, and what went wrong in its scripts or against its policy.
        self.requests: list[str] = []
        self.errors: list[str] = []

    async def listen(self) -> None:
        """Take what the browser says, until it is gone."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            else:
                self._note(said["method"], said["params"])

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask for something of the protocol."""
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said = await asyncio.wait_for(answer, 30)
        assert "error" not in said, (method, said)
        result: dict[str, Any] = said["result"]
        return result

    def _note(self, method: str, what: dict[str, Any]) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(what["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(what["url"])
            case "Runtime.exceptionThrown":
                details = what["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            case "Log.entryAdded" if what["entry"]["level"] == "error" and what["entry"]["source"] != "network":
                self.errors.append(what["entry"]["text"])


@contextmanager
def browser(directory: Path) -> Iterator[str]:
    """A browser of its own, whose profile and log lie in the directory: the address of its protocol."""
    assert shutil.which("chromium"), "chromium is missing: python3 -m deploy.local tools --with chromium"
    told = directory / "profile" / "DevToolsActivePort"
    with (directory / "chromium.log").open("ab") as log:
        options = (f"--user-data-dir={directory / 'profile'}", "--hide-scrollbars", "about:blank")
        process = subprocess.Popen([*BROWSER, *options], stdout=log, stderr=log)
    try:
        end = time.monotonic() + _START_S
        while not (told.exists() and told.read_text().count("\n") > 0):
            assert time.monotonic() < end, (directory / "chromium.log").read_text()
            time.sleep(0.02)
        port, path = told.read_text().splitlines()[:2]
        yield f"ws://127.0.0.1:{port}{path}"
    finally:
        process.kill()
        process.wait()


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Connection]:
    """An empty tab that shares nothing, no cookie either, with others."""
    async with aiohttp.ClientSession() as session, _connected(session, address) as whole:
        context = (await whole.call("Target.createBrowserContext"))["browserContextId"]
        target = (await whole.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        async with _connected(session, f"{address.partition('/devtools/')[0]}/devtools/page/{target}") as page:
            for domain in ("Page", "Runtime", "Network", "Log"):
                await page.call(f"{domain}.enable")
            yield page
        await whole.call("Target.disposeBrowserContext", browserContextId=context)


@asynccontextmanager
async def _connected(session: aiohttp.ClientSession, address: str) -> AsyncIterator[Connection]:
    async with session.ws_connect(address, max_msg_size=_LARGEST) as socket:
        connection = Connection(socket)
        listening = asyncio.create_task(connection.listen())
        try:
            yield connection
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening
