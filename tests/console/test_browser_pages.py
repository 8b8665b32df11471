"""Every page of the console in a real browser, with the demo's household on the real servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.console.browser import Served
from tests.console.screen import Screen

#: Each page: where it is, and what is to be read once it is there. `{}` is where the demo's last event lies.
PAGES = {
    "flow": ("#/flow", ("Every lane and stage", "Conservation ok", "Live", "All stages")),
    "event": ("#/event/{}", ("member.profile.changed", "What happened", "duplicates", "phone-2", "Raw event")),
    "account": ("#/account/household-7", ("phone-1", "Last outcomes", "Simulate an event", "at the head")),
    "devices": ("#/play", ("Devices to play with", "Add tv")),
    "dead-letters": ("#/letters", ("undecodable", "open")),
    "what-if": ("#/what-if", ("Rules", "Nothing is compared yet")),
}
#: What axe is asked: the rules of WCAG 2.2, A and AA, and what is good practice.
ASK = """axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
  .then(({violations}) => violations.map(({id, nodes}) => `${id}: ${nodes.map(({html}) => html).join(" | ")}`))"""
READY = """new Promise((tell) => {
  const isThere = () => document.querySelector("h1")?.textContent === "Flow";
  const seen = () => (isThere() ? tell(performance.now()) : requestAnimationFrame(seen));
  seen();
})"""


async def go(screen: Screen, demo: str, page: str) -> None:
    """Go to a page and wait until it is there."""
    fragment, texts = PAGES[page]
    await screen.run(f"location.hash = {json.dumps(fragment.format(demo))}")
    await screen.shows(*texts, without="Loading")


async def test_every_page_is_there_and_nothing_leaves(
    console: Served, demo: str, screen: Screen, tell: Callable[[str], None]
) -> None:
    """Signed in by a link whose token leaves the address; no page asks any other origin, or breaks the policy."""
    await screen.open(f"{console.url}/#token={console.tokens['all']}")
    ready = await screen.run(READY)
    tell(f"the page is ready {ready:.0f} ms after it was asked for")
    await screen.shows(*PAGES["flow"][1])
    assert "token" not in await screen.run("location.href")
    assert await screen.run("history.length") <= 2
    for page in PAGES:
        await go(screen, demo, page)
    said = screen.connection
    assert said.errors == []
    assert {urlsplit(address).netloc for address in said.requests if address != "about:blank"} == {
        urlsplit(console.url).netloc
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 400), ("dark", 360)])
async def test_every_page_can_be_used_by_everybody(
    console: Served, demo: str, screen: Screen, axe: str, tmp_path: Path, scheme: str, width: int
) -> None:
    """In both colours and on small screens: axe finds nothing, and nothing is wider than the screen.

    Pictures of all of it are left in the directory of the test.
    """
    await screen.size(width, 860)
    await screen.colours(scheme)
    await screen.open(console.url)
    await screen.shows("Sign in to the console")
    await screen.run(axe)
    assert await screen.run(ASK) == []
    await screen.open(f"{console.url}/#token={console.tokens['all']}")
    await screen.shows("Every lane and stage")
    await screen.run(axe)
    for page in PAGES:
        await go(screen, demo, page)
        await screen.picture(tmp_path / f"{page}.png")
        assert await screen.run(ASK) == [], page
        assert await screen.run("document.documentElement.scrollWidth <= innerWidth"), page


async def test_the_keyboard_is_enough(console: Served, demo: str, screen: Screen) -> None:
    """Signed in, moved, searched, and a question dismissed, without a pointer; the focus is to be seen everywhere."""
    await screen.open(console.url)
    await screen.shows("Sign in to the console")
    await screen.tab_to("token")
    await screen.write(console.tokens["all"])
    await screen.press("Enter")
    await screen.shows("Every lane and stage")
    await screen.tab_to("Skip to the page")
    await screen.press("Enter")
    assert await screen.run("document.activeElement.id") == "page"
    await screen.open(f"{console.url}/#/flow")
    await screen.shows("Conservation ok")
    await screen.tab_to("Dead letters")
    await screen.press("Enter")
    await screen.shows(*PAGES["dead-letters"][1])
    assert await screen.run("document.activeElement.textContent") == "Dead letters"
    place = await screen.run("document.querySelector('tbody th a').textContent")
    await screen.tab_to(place)
    await screen.press("Enter")
    await screen.shows("Original bytes")
    await screen.tab_to("Discard")
    await screen.press("Enter")
    await screen.shows("Discard letter")
    await screen.press("Escape")
    await screen.until("!document.querySelector('dialog')")
    assert "Discard" in await screen.run("document.activeElement.textContent")


async def test_the_choice_of_colours_is_remembered(console: Served, screen: Screen) -> None:
    """Against what the system prefers, also after the page was loaded again."""
    await screen.colours("light")
    await screen.open(f"{console.url}/#token={console.tokens['reader']}")
    await screen.click("button", "Dark")
    light = "getComputedStyle(document.body).backgroundColor"
    dark = await screen.run(light)
    await screen.open(console.url)
    await screen.shows("Every lane and stage")
    assert await screen.run(light) == dark
    await screen.click("button", "Auto")
    assert await screen.run(light) != dark
