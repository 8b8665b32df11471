"""A page that looks on: how soon it is ready, and what it costs with devices of its own, in a real Chromium."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.measure import Usage, usage
from bench.system import Lockstep, start
from deploy.local.ports import free_ports
from edge.auth.tokens import PRIVATE
from tests.console.browser import Browser, Served
from tests.console.chromium import browser, tab
from tests.console.screen import Screen

DEVICES: Final = 10
_TYPE: Final = "member.plan.changed"
#: Ready is a page whose heading is painted, ms after it was asked for.
_READY: Final = """new Promise((tell) => {
  const isThere = () => document.querySelector("h1")?.textContent === "Flow";
  const seen = () => (isThere() ? tell(performance.now()) : requestAnimationFrame(seen));
  seen();
})"""
_LIVE: Final = "[...document.querySelectorAll('.device-state')].filter((e) => e.innerText.includes('live')).length"


class Looked(NamedTuple):
    """Ready after so many ms; shares of a core of the console's process and of the browser's, at 1 Hz with devices.

    `wrong`: events that were published and that a device does not show.
    """

    ready_ms: float
    console_share: float
    browser_share: float
    wrong: int


async def look(system: Lockstep, directory: Path, seconds: float) -> Looked:
    """Start everything and a console, open a page, add devices, look at the flow while each gets an event a second."""
    (port,) = free_ports(1)
    pipeline = system.pipeline
    pipeline.environment["LOCKSTEP_EDGE__ORIGINS"] = json.dumps([f"http://127.0.0.1:{port}"])
    start(system)
    targets = {member.name: f"127.0.0.1:{member.health_port}" for member in pipeline.members if member.alive}
    own = {
        "LOCKSTEP_CONSOLE__PORT": str(port),
        "LOCKSTEP_CONSOLE__TARGETS": json.dumps(targets),
        "LOCKSTEP_CONSOLE__PLAY_KEY": str(Path(pipeline.environment["LOCKSTEP_TOKENS__KEYS"]).with_name(PRIVATE)),
    }
    member = pipeline.start("console", "console", **own)
    pipeline.wait_ready([member])
    token = pipeline.command("operator", "bench", "--write").strip()
    served = Served(f"http://127.0.0.1:{port}", {"bench": token})
    with browser(directory) as address:
        async with tab(address) as connection, Browser(served) as publisher:
            await publisher.sign_in("bench")
            screen = Screen(connection)
            ready = await _open(screen, served)
            account = f"play-{uuid.uuid4().hex[:8]}"
            await _switch_on(screen, account)
            await screen.run("location.hash = '#/'")
            before = usage([member.process.pid]), usage(_browsers())
            published = await _publish(publisher, account, seconds)
            console, looking = usage([member.process.pid]).since(before[0]), usage(_browsers()).since(before[1])
            wrong = await _missing(screen, published)
    return Looked(ready, _share(console), _share(looking), wrong)


async def _open(screen: Screen, served: Served) -> float:
    """The median of three openings; the first one also fills the browser's cache."""
    took = []
    for _ in range(3):
        await screen.open(f"{served.url}/#token={served.tokens['bench']}")
        took.append(float(await screen.run(_READY)))
    return sorted(took)[1]


async def _switch_on(screen: Screen, account: str) -> None:
    await screen.run("location.hash = '#/play'")
    await screen.fill("#play-account", account)
    for number in range(DEVICES):
        await screen.click("button", f"Add {('tv', 'phone')[number % 2]}")
    await screen.until(f"{_LIVE} === {DEVICES}")


async def _publish(publisher: Browser, account: str, seconds: float) -> int:
    """An event a second for all of the devices."""
    number = 0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while loop.time() < begun + seconds:
        draft = {"account": account, "type": _TYPE, "data": {"n": number}}
        answer = await publisher.post("play/events", draft)
        if answer.status != 200:
            raise RuntimeError(f"not published: {answer}")
        number += 1
        await asyncio.sleep(max(0.0, begun + number - loop.time()))
    return number


async def _missing(screen: Screen, published: int) -> int:
    """How many notifications the devices of the page lack, once they had time."""
    await screen.run("location.hash = '#/play'")
    shown = "[...document.querySelectorAll('.device-foot')].map((e) => [...e.querySelectorAll('strong')].slice(0, 2)"
    script = f"{shown}.reduce((sum, each) => sum + Number(each.textContent), 0))"
    counts: list[int] = []
    for _ in range(50):
        counts = await screen.run(script)
        if len(counts) == DEVICES and min(counts) >= published:
            break
        await asyncio.sleep(0.2)
    return sum(max(0, published - count) for count in counts) + published * (DEVICES - len(counts))


def _browsers() -> list[int]:
    children = psutil.Process().children(recursive=True)
    return [child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE and "chrom" in child.name()]


def _share(used: Usage) -> float:
    return used.cpu_s / used.wall_s
