"""A real headless Chromium, driven over its own protocol as a person would: keys, clicks, and what is to be seen."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.e2e.household import until
from tests.e2e.subjects import BROWSER

_LARGEST: Final = 64 * 1024 * 1024  # of a message: a screenshot in base64
#: Keys by their name: code, Windows key code, and the text that they write.
_KEYS: Final[Mapping[str, tuple[str, int, str]]] = {
    "Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " "),
}  # fmt: skip
#: Where an element is to be clicked, scrolled to first.
_CENTRE: Final = """(() => {
  const found = %s;
  found.scrollIntoView({block: "center", behavior: "instant"});
  const box = found.getBoundingClientRect();
  return [box.x + box.width / 2, box.y + box.height / 2];
})()"""


class Page:
    """A tab. `requests` are the addresses that it asked for, `errors` what went wrong in its scripts and its policy."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
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

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something of its protocol."""
        number = next(self._numbers)
        self._answers[number] = answer = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        said = await asyncio.wait_for(answer, 30)
        assert "error" not in said, (method, said)
        result: dict[str, Any] = said["result"]
        return result

    async def run(self, script: str) -> Any:
        """The value of an expression of JavaScript in the page; a promise is waited for."""
        said = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def open(self, address: str) -> None:
        """Go to an address, in a fresh document."""
        await self.call("Page.navigate", url="about:blank")
        await self.call("Page.navigate", url=address)

    async def text(self) -> str:
        """What is to be read now."""
        return str(await self.run("document.body?.innerText ?? ''"))

    async def shows(self, *texts: str, without: str | None = None) -> None:
        """Wait until all of these are to be read, and the other one is not."""
        seen = ""

        async def all_there() -> bool:
            nonlocal seen
            seen = await self.text()
            return all(text in seen for text in texts) and (without is None or without not in seen)

        await until(all_there, lambda: (texts, without, seen, self.errors))

    async def until(self, script: str) -> None:
        """Wait until an expression is true in the page."""

        async def true() -> bool:
            return bool(await self.run(script))

        await until(true, lambda: (script, self.errors))

    async def click(self, what: str, text: str = "") -> None:
        """Click the first element that a selector finds and that has this text, once it is there and may be clicked."""
        element = f"[...document.querySelectorAll({json.dumps(what)})].find((e) => e.innerText.includes({json.dumps(text)}))"
        await self.until(f"(({element}) ?? {{disabled: true}}).disabled !== true")
        x, y = await self.run(_CENTRE % element)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def press(self, key: str, shift: bool = False) -> None:
        """Press a key of `Tab`, `Enter`, `Escape` and the space bar."""
        code, number, text = _KEYS[key]
        shared = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        await self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **shared)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def write(self, text: str) -> None:
        """Write where the focus is, in place of what is there."""
        await self.run("document.activeElement.select?.()")
        await self.call("Input.insertText", text=text)

    async def fill(self, what: str, text: str) -> None:
        """Write into the element that a selector finds."""
        await self.until(f"document.querySelector({json.dumps(what)}) !== null")
        await self.run(f"document.querySelector({json.dumps(what)}).focus()")
        await self.write(text)

    async def choose(self, what: str, value: str) -> None:
        """Choose an option of a select."""
        await self.until(f"document.querySelector({json.dumps(what)}) !== null")
        await self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(what)}); e.value = {json.dumps(value)};"
            " e.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    async def size(self, width: int, height: int, scale: float = 1) -> None:
        """Be a screen of this size, in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    async def colours(self, scheme: str) -> None:
        """Prefer `light` or `dark`, as the system would."""
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is to be seen as a PNG; `whole`: what must be scrolled to as well."""
        await self.run("document.fonts.ready.then(() => true)")
        said = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(said["data"]))


@asynccontextmanager
async def chromium(directory: Path) -> AsyncIterator[Page]:
    """A tab of a browser of its own, whose profile and log lie in the directory."""
    assert shutil.which("chromium"), "chromium is missing: python3 -m deploy.local tools --with chromium"
    profile = directory / "profile"
    with (directory / "chromium.log").open("ab") as log:
        command = [*BROWSER, f"--user-data-dir={profile}", "--hide-scrollbars", "about:blank"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        async with aiohttp.ClientSession() as session, session.ws_connect(
            await _tab(session, profile), max_msg_size=_LARGEST
        ) as socket:
            page = Page(socket)
            listening = asyncio.create_task(page.listen())
            for domain in ("Page", "Runtime", "Network", "Log"):
                await page.call(f"{domain}.enable")
            await page.size(1280, 860)
            yield page
            listening.cancel()
    finally:
        process.kill()
        process.wait()


async def _tab(session: aiohttp.ClientSession, profile: Path) -> str:
    """The address of the first tab, once the browser is up."""
    port = profile / "DevToolsActivePort"
    await until(lambda: port.exists() and port.read_text().count("\n") > 0, lambda: "Chromium does not start")
    async with session.get(f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list") as answer:
        tabs = await answer.json()
    return str(next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"))
