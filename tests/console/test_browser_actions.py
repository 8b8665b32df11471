"""What people do in the console in a real browser: play with devices, replay a dead letter, ask what would be."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

from edge.oncall.audit import Audit
from edge.oncall.auditing import Auditor
from streams.check import load_file
from streams.settings import read_settings
from streams.transport.client import reader
from tests.console.browser import Served
from tests.console.screen import Pictures, Screen
from tests.e2e.events import Draft, event, home_of, letters_of, publish, send
from tests.e2e.household import Household, until
from tests.e2e.system import System

#: One of each lane.
TYPES = (
    "member.viewing.updated", "member.home.refreshed", "member.plan.changed", "member.profile.maturity-changed",
)  # fmt: skip
TRIES, WAIT_S = 8, 5.0
COUNT = (
    "(document.querySelector('article[aria-label^=\"%s \"] .device-foot span:nth-child(%d) strong') ?? {}).textContent"
)


async def sign_in(screen: Screen, console: Served, operator: str = "all", page: str = "") -> None:
    """Be an operator, at a page."""
    await screen.open(f"{console.url}/#token={console.tokens[operator]}")
    await screen.shows("Every lane and stage")
    if page:
        await screen.run(f"location.hash = {json.dumps(page)}")


async def refreshed(screen: Screen, *texts: str) -> None:
    """Ask again until the page shows these: the index follows the topics, and acks take their time."""
    for _ in range(TRIES):
        await screen.click("button", "Refresh")
        with suppress(AssertionError):
            await screen.shows(*texts, seconds=WAIT_S)
            return
    await screen.shows(*texts)


async def publish_until(screen: Screen, script: str, button: str = "Publish") -> None:
    """Publish, again if need be: what a busy machine pushes too late comes from the inbox, and a window may end."""
    for _ in range(TRIES):
        await screen.click("button", button)
        with suppress(AssertionError):
            await screen.until(script, WAIT_S)
            return
    raise AssertionError(await screen.run("document.body.innerText"))


async def pushed(screen: Screen, device: str) -> None:
    """Publish until a device of the page is pushed to."""
    count = COUNT % (device, 1)
    before = await screen.run(count)
    await publish_until(screen, f"{count} !== '{before}'")


async def test_a_virtual_television_gets_a_push(
    console: Served, running: System, screen: Screen, picture: Pictures
) -> None:
    """While it is on; what came while it was off comes from the inbox; three at once come as one."""
    account = f"play-{uuid.uuid4().hex[:8]}"
    await sign_in(screen, console, page="#/play")
    await screen.fill("#play-account", account)
    for kind in ("tv", "phone"):
        await screen.click("button", f"Add {kind}")
    await screen.until(
        "[...document.querySelectorAll('.device-state')].filter((e) => e.innerText.includes('live')).length === 2"
    )
    await pushed(screen, "tv-1")
    await pushed(screen, "phone-1")

    before = await screen.run(COUNT % ("phone-1", 2))
    await screen.click("button[aria-label='phone-1 on']")
    await screen.until("document.querySelector('.device-phone.off') !== null")
    await pushed(screen, "tv-1")
    await screen.click("button[aria-label='phone-1 on']")
    await screen.until(f"Number({COUNT % ('phone-1', 2)}) > {before}")

    await screen.choose("#send-type", "member.home.refreshed")
    await publish_until(screen, f"Number({COUNT % ('tv-1', 3)}) >= 1", "Publish 3 at once")
    await screen.shows("merged")
    await picture.take(screen, "devices")
    assert screen.connection.errors == []
    edge, own = urlsplit(running.url).netloc, urlsplit(console.url).netloc
    asked = {urlsplit(address).netloc for address in screen.connection.requests if address != "about:blank"}
    assert asked == {own, edge}


async def test_devices_of_a_session_end_with_it(console: Served, screen: Screen) -> None:
    """Also where nobody signed out: whoever signs in next in the same page finds none."""
    await sign_in(screen, console, page="#/play")
    await screen.fill("#play-account", f"play-{uuid.uuid4().hex[:8]}")
    await screen.click("button", "Add tv")
    await screen.until("document.querySelector('.device-state')?.innerText.includes('live')")
    await screen.connection.call("Network.clearBrowserCookies")
    await screen.run("location.hash = '#/letters'")
    await screen.shows("Your session has ended")
    await screen.fill("#token", console.tokens["all"])
    await screen.click("button", "Sign in")
    await screen.shows("Sign out")
    await screen.run("location.hash = '#/play'")
    await screen.shows("No device yet")


async def test_a_dead_letter_is_replayed(console: Served, running: System, screen: Screen, picture: Pictures) -> None:
    """After a question; the record is in ingest again. Another one is discarded; who may only look can do neither."""
    account = f"letters-{uuid.uuid4().hex[:8]}"
    partition = home_of(account)
    bad = [Draft(account.encode(), b"\xff not an event %d" % number) for number in range(2)]
    places = await publish(running, partition, bad)

    async def kept() -> bool:
        return all([await asyncio.to_thread(letters_of, running, place) for place in places])

    await until(kept, lambda: places)
    letters = [letters_of(running, place)[0][1] for place in places]
    await sign_in(screen, console, page="#/letters?reason=undecodable")
    for letter, action, done in zip(letters, ("Replay", "Discard"), ("replayed", "discarded"), strict=True):
        await screen.click("tbody th a", f"{partition}:{letter.offset}")
        await screen.shows(f"Letter {partition}:{letter.offset}", "ff 20 6e", without="already")
        await picture.take(screen, "dead-letters")
        await failed(screen, "Discard" if action == "Replay" else "Replay")
        await screen.click("button", f"{action} …")
        await screen.shows(f"{action} letter", without="cannot be reached")
        await screen.click("dialog button", action)
        await screen.shows(f"It is {done} already.", without=f"{action} letter")
    mine = f"[...document.querySelectorAll('tbody tr')].filter((e) => e.innerText.includes('{account}'))"
    await until(lambda: is_back(screen, mine), lambda: mine)  # what was replayed is no better than it was

    await sign_in(screen, console, "reader", "#/letters")
    await screen.click("tbody th a")
    await screen.shows("needs the right write", "Hidden: they need the right payload")


async def failed(screen: Screen, action: str) -> None:
    """Try the other thing first, while the server is away, and think better of it."""
    await screen.connection.call("Network.setBlockedURLs", urls=["*/dead-letters/*"])
    await screen.click("button", f"{action} …")
    await screen.click("dialog button", action)
    await screen.shows("cannot be reached")
    await screen.connection.call("Network.setBlockedURLs", urls=[])
    await screen.click("dialog button", "Cancel")


async def is_back(screen: Screen, rows: str) -> bool:
    """Whether there is a third letter, once the list was asked for again."""
    await screen.click("button", "Refresh")
    return bool(await screen.run(f"{rows}.length === 3"))


async def test_a_dry_run_changes_nothing(console: Served, running: System, screen: Screen) -> None:
    """The audit is clean before and after, every topic ends where it ended, and the device got nothing."""
    async with Household(running) as home:
        television = await home.on("tv")
        await home.register("phone", "phone")
        made = event(home.account)
        await send(running, made)
        await television.shows(made["id"])
        await sign_in(screen, console, page=f"#/account/{home.account}")
        await refreshed(screen, "at the head", "Simulate an event")
        before, begun = ends(running), int(time.time() * 1000)
        assert audit(running).whole

        await screen.click("button", "Dry run")
        await screen.shows("It would pass every gate", "kept in its inbox")
        await screen.choose("#simulate-ago", "604800")
        await screen.click("button", "Dry run")
        await screen.shows("It would end as", "stale", "refused")
        await screen.run("location.hash = '#/what-if'")
        await screen.choose("#what-case", "my-list")
        await screen.fill("#what-age", "1s")
        await screen.choose("#what-lane", "low")
        await screen.click("button", "Compare")
        await screen.shows("What becomes of", "Wait in windows")

        assert ends(running) == before
        found = audit(running)
        assert found.whole, found.defects
        assert begun > 0
        assert television.events == [made["id"]]
    assert screen.connection.errors == []


def ends(system: System) -> dict[tuple[str, int], int]:
    """Where every partition of every topic of events ends. Outcomes may still come of what was there before."""
    settings = read_settings(system.environment())
    topology = load_file(settings.topology, settings)
    names = [name for name in topology.topics if name not in ("outcomes",) and "{" not in name]
    lanes = [f"{kind}.{lane}" for kind in ("events", "notifications") for lane in topology.lanes]
    with reader(settings.kafka.servers, settings.kafka.security) as source:
        return {
            (name, partition): source.watermarks(system.topic(name), partition)[1]
            for name in (*names, *lanes)
            for partition in range(topology.partitions)
        }


def audit(system: System) -> Audit:
    """Of the last hour."""
    settings = read_settings(system.environment())
    topology = load_file(settings.topology, settings)
    now = int(time.time() * 1000)
    return Auditor(settings, topology).audit(now - 3_600_000, now + 1)


async def test_an_event_says_why_it_was_dropped(console: Served, demo: str, screen: Screen, picture: Pictures) -> None:
    """From the account's outcomes to the gate that refused it, with its numbers; found again by its id."""
    await sign_in(screen, console, page="#/account/household-7")
    await refreshed(screen, "Last outcomes", "stale")
    await picture.take(screen, "account")
    row = "[...document.querySelectorAll('tbody tr')].find((e) => e.innerText.includes('stale'))"
    await screen.run(f"{row}.querySelector('a').click()")
    await screen.shows("What happened", "refused", "limit 1 h", "No device was targeted")
    id_ = await screen.run("document.querySelector('.copyable code').textContent")
    await picture.take(screen, "event")
    await screen.fill("input[type=search]", id_)
    await screen.press("Enter")

    async def found() -> bool:
        await screen.click("button", "Search")
        return bool(await screen.run("document.querySelectorAll('tbody tr').length"))

    await until(found, lambda: id_)
    await screen.click("tbody a")
    await screen.shows("What happened")
    assert demo


async def test_the_flow_is_drawn_live(console: Served, running: System, screen: Screen, picture: Pictures) -> None:
    """Rates rise while events pass, a stage is chosen for its last minutes; without merging more would be delivered."""
    await sign_in(screen, console)
    async with Household(running) as home:
        await home.on("tv")
        stop = asyncio.Event()

        async def busy() -> None:
            while not stop.is_set():
                events = [event(home.account, type_, collapsekey="a") for type_ in TYPES for _ in range(3)]
                await send(running, *events, event(home.account, "member.unknown"))
                await asyncio.sleep(0.05)

        task = asyncio.create_task(busy())
        try:
            await screen.shows("Conservation ok", "dead-lettered")
            await screen.until("Number(document.querySelector('.tiles strong').textContent) > 5")
            await screen.until(
                "[...document.querySelectorAll('.flow-drops')].some((e) => e.textContent.includes('merged'))"
            )
            await screen.run("document.querySelectorAll('tbody button')[7].click()")
            await screen.shows("notify · normal", "worker normal")
            await screen.until("document.querySelector('.chart-frame canvas') !== null")
            if picture.kept:  # its charts begin when the page is opened
                await screen.until("performance.now() > 50000", 120)
            await picture.take(screen, "flow")
        finally:
            stop.set()
            await task
    await screen.colours("dark")
    await picture.take(screen, "flow-dark")
    await screen.colours("light")
    await screen.run("location.hash = '#/what-if'")
    await screen.choose("#what-merge", "none")
    await screen.click("button", "Compare")
    await screen.shows("Events that would end otherwise", "merged")
    await picture.take(screen, "what-if")
    assert screen.connection.errors == []


async def test_a_session_ends(console: Served, screen: Screen) -> None:
    """By its operator, here also while the server says nothing; with a token that is not good there is none."""
    await sign_in(screen, console, "reader")
    await screen.connection.call("Fetch.enable", patterns=[{"urlPattern": "*/api/v1/session"}])  # held, never answered
    await screen.click("button", "Sign out")
    await screen.shows("Sign in to the console", "did not end your session")
    await screen.connection.call("Fetch.disable")
    await screen.open(f"{console.url}/#/letters")
    await screen.click("button", "Sign out")
    await screen.shows("Sign in to the console")
    await screen.fill("#token", "lockstep-operator-nobody")
    await screen.press("Enter")
    await screen.shows("it is no operator's")
    await screen.open(f"{console.url}/#/letters")
    await screen.shows("Sign in to the console")
