"""What a person does with a page, and sees of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.console.chromium import Connection
from tests.e2e.household import DEADLINE, until

#: Keys by their name: code, Windows key code, and the text that they write.
_KEYS: Final[Mapping[str, tuple[str, int, str]]] = {
    "Tab": ("Tab", 9, ""), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, ""), " ": ("Space", 32, " "),
}  # fmt: skip
#: Of a screen, and of the largest picture, in CSS pixels.
_WIDTH: Final = 1280
_HEIGHT: Final = 860
_TALLEST: Final = 1280
_FIND: Final = "[...document.querySelectorAll(%s)].find((e) => e.innerText.includes(%s))"
#: Where an element is to be clicked, scrolled to first; null while a click there would go elsewhere, as it does before
#: the element's dialog is open.
_CENTRE: Final = """(() => {
  const found = %s;
  if ((found ?? {disabled: true}).disabled === true) return null;
  found.scrollIntoView({block: "center", behavior: "instant"});
  const box = found.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  return found.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
})()"""
#: What is said of the element that has the focus: its id, and its label or else the text of a button or link.
_FOCUSED: Final = """(({innerText, ariaLabel, id, tagName}) =>
  `${id}|${ariaLabel ?? (["A", "BUTTON"].includes(tagName) ? innerText : "")}`)(document.activeElement)"""
_CHOOSE: Final = """(() => {
  const found = document.querySelector(%s);
  found.value = %s;
  found.dispatchEvent(new Event("change", {bubbles: true}));
})()"""


class Screen:
    """A tab and somebody before it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def run(self, script: str) -> Any:
        """The value of an expression of JavaScript in the page; a promise is waited for."""
        told = {"expression": script, "awaitPromise": True, "returnByValue": True}
        said = await self.connection.call("Runtime.evaluate", **told)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    async def open(self, address: str) -> None:
        """Go to an address, in a fresh document."""
        await self.connection.call("Page.navigate", url="about:blank")
        await self.connection.call("Page.navigate", url=address)

    async def shows(self, *texts: str, without: str | None = None, seconds: float = DEADLINE) -> None:
        """Wait until all of these are to be read, and the other one is not."""
        seen = ""

        async def all_there() -> bool:
            nonlocal seen
            seen = str(await self.run("document.body?.innerText ?? ''"))
            return all(text in seen for text in texts) and (without is None or without not in seen)

        await until(all_there, lambda: (texts, without, seen, self.connection.errors), seconds)

    async def until(self, script: str, seconds: float = DEADLINE) -> None:
        """Wait until an expression is true in the page."""

        async def true() -> bool:
            return bool(await self.run(script))

        try:
            await until(true, lambda: (script, self.connection.errors), seconds)
        except AssertionError as error:
            raise AssertionError(await self.run("document.body.innerText")) from error

    async def click(self, what: str, text: str = "") -> None:
        """Click the first element that a selector finds and that has this text, once it is there and can be clicked."""
        element = _FIND % (json.dumps(what), json.dumps(text))
        await self.until(f"{_CENTRE % element} !== null")
        x, y = await self.run(_CENTRE % element)
        for kind in ("mousePressed", "mouseReleased"):
            event = {"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}
            await self.connection.call("Input.dispatchMouseEvent", **event)

    async def press(self, key: str) -> None:
        """Press Tab, Enter, Escape or the space bar."""
        code, number, text = _KEYS[key]
        shared = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        down = "keyDown" if text else "rawKeyDown"
        await self.connection.call("Input.dispatchKeyEvent", type=down, text=text, **shared)
        await self.connection.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def tab_to(self, text: str, most: int = 60) -> None:
        """Press Tab until the focus is on what has this text or label; it must be visible there."""
        seen = []
        for _ in range(most):
            await self.press("Tab")
            said = await self.run(_FOCUSED)
            seen.append(said)
            if text in said:
                assert await self.run("getComputedStyle(document.activeElement).outlineStyle") == "solid", said
                return
        raise AssertionError((text, seen))

    async def write(self, text: str) -> None:
        """Write where the focus is, in place of what is there."""
        await self.run("document.activeElement.select()")
        await self.connection.call("Input.insertText", text=text)

    async def fill(self, what: str, text: str) -> None:
        """Write into the element that a selector finds."""
        found = f"document.querySelector({json.dumps(what)})"
        await self.until(f"{found} !== null")

        async def written() -> bool:
            """A page that has just come takes the focus once more."""
            taken = f"({found}.focus(), document.activeElement === {found} && ({found}.select(), true))"
            if await self.run(taken):
                await self.connection.call("Input.insertText", text=text)
            return bool(await self.run(f"{found}.value === {json.dumps(text)}"))

        await until(written, lambda: (what, text))

    async def choose(self, what: str, value: str) -> None:
        """Choose an option of a select."""
        await self.until(f"document.querySelector({json.dumps(what)}) !== null")
        await self.run(_CHOOSE % (json.dumps(what), json.dumps(value)))

    async def size(self, width: int, height: int) -> None:
        """Be a screen of this size, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        await self.connection.call("Emulation.setDeviceMetricsOverride", **size)

    async def colours(self, scheme: str) -> None:
        """Prefer `light` or `dark`, as the system would."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.connection.call("Emulation.setEmulatedMedia", features=features)

    async def picture(self, path: Path) -> None:
        """Write what is to be seen as a PNG."""
        await self.run("document.fonts.ready.then(() => true)")
        said = await self.connection.call("Page.captureScreenshot", format="png")
        _write(path, base64.b64decode(said["data"]))


class Pictures(NamedTuple):
    """Where pictures of pages go; `kept`: they are those of the documentation."""

    folder: Path
    kept: bool

    async def take(self, screen: Screen, name: str) -> None:
        """A picture of a page from its top, as far as is seen at once on a tall screen."""
        await screen.run("scrollTo(0, 0)")
        height = await screen.run("document.documentElement.scrollHeight")
        await screen.size(_WIDTH, min(max(int(height), _HEIGHT), _TALLEST))
        await screen.picture(self.folder / f"console-{name}.png")
        await screen.size(_WIDTH, _HEIGHT)


def _write(path: Path, picture: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
