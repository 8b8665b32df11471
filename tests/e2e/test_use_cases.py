"""What the pipeline decides, on the whole system: who is meant, what still matters, what a device that was off gets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest
from lockstep_client import DeviceClient, Refused

from edge import cursor as cursors
from streams.envelope import position
from streams.transport.client import Publisher
from tests.e2e.events import draft, event, home_of, said_of, send, terminal, timestamp
from tests.e2e.household import Household, Screen, until
from tests.e2e.system import System

PLAN, DIAGNOSTICS, MY_LIST = "member.plan.changed", "device.diagnostics.requested", "member.list.changed"
#: A type of the same lane, for the event that ends a test.
BEHIND = {PLAN: "member.profile.changed", DIAGNOSTICS: "member.home.refreshed", MY_LIST: "member.viewing.updated"}
EVERYBODY = {"tv", "tv-old", "stick", "phone", "browser"}
LANES = ("critical", "high", "normal", "low")


async def move_in(home: Household) -> dict[str, Screen]:
    """Five devices that are online; the app of one is too old for diagnostics."""
    return {
        "tv": await home.on("tv", version="1.2"),
        "tv-old": await home.on("tv-old", version="1.1.9"),
        "stick": await home.on("stick", "stick", "1.10"),
        "phone": await home.on("phone", "phone"),
        "browser": await home.on_by_another_library("browser", "browser"),
    }


async def play(home: Household, screens: Sequence[Screen], *events: dict[str, Any]) -> list[str]:
    """Publish events of one lane; the ids of those that the screens showed, which all showed the same."""
    behind = event(home.account, BEHIND[events[0]["type"]])
    await send(home.system, *events, behind)
    await until(lambda: all(behind["id"] in screen.events for screen in screens), lambda: screens)
    shown = [screen.events for screen in screens]
    assert all(each == shown[0] for each in shown)
    assert shown[0][-1] == behind["id"]
    return shown[0][:-1]


async def targeted(system: System, place: tuple[int, int]) -> set[str]:
    """The devices for which the event was stored."""
    found: set[str] = set()

    async def stored() -> bool:
        said = await asyncio.to_thread(said_of, system, place)
        found.update(device for each in said if each.outcome.kind == "stored" for device in each.outcome.devices)
        return bool(found)

    await until(stored, lambda: place)
    return found


@pytest.mark.parametrize(
    ("type_", "attributes", "expected"),
    [
        (PLAN, {}, EVERYBODY),
        (PLAN, {"devicetypes": "tv,phone"}, {"tv", "tv-old", "phone"}),
        (PLAN, {"deviceids": "phone,stick,somebody"}, {"phone", "stick"}),
        (PLAN, {"devicetypes": "tv", "deviceids": "tv,phone"}, {"tv"}),
        (PLAN, {"origindevice": "phone"}, EVERYBODY - {"phone"}),
        (PLAN, {"origindevice": "tv", "devicetypes": "tv"}, {"tv-old"}),
        (DIAGNOSTICS, {}, {"tv", "stick"}),
        (DIAGNOSTICS, {"devicetypes": "tv,phone"}, {"tv"}),
        (DIAGNOSTICS, {"deviceids": "tv,tv-old"}, {"tv"}),
    ],
)
async def test_only_eligible_devices_get_it(
    running: System, type_: str, attributes: dict[str, str], expected: set[str]
) -> None:
    """Device types, ids, app version and origin decide; the outcome names the devices that were shown the event."""
    async with Household(running) as home:
        screens = await move_in(home)
        wanted, behind = event(home.account, type_, **attributes), event(home.account, BEHIND[type_])
        place, _ = await send(running, wanted, behind)
        for name, screen in screens.items():
            await screen.shows(*([wanted["id"]] if name in expected else []), behind["id"])
        assert await targeted(running, place) == expected


@pytest.mark.parametrize(
    ("type_", "attributes", "stage"),
    [
        (DIAGNOSTICS, {"devicetypes": "phone"}, "notify"),
        (DIAGNOSTICS, {"deviceids": "tv-old"}, "store"),
        (PLAN, {"deviceids": "somebody"}, "store"),
        (PLAN, {"deviceids": "phone", "origindevice": "phone"}, "store"),
        (PLAN, {"devicetypes": "tablet"}, "store"),
    ],
)
async def test_event_for_nobody_ends_with_a_reason(
    running: System, type_: str, attributes: dict[str, str], stage: str
) -> None:
    """`no-target`, by the first stage that can tell, and nobody is shown it."""
    async with Household(running) as home:
        screens = await move_in(home)
        wanted, behind = event(home.account, type_, **attributes), event(home.account, BEHIND[type_])
        place, _ = await send(running, wanted, behind)
        for screen in screens.values():
            await screen.shows(behind["id"])
        said = await terminal(running, place)
        assert (said.stage, said.outcome.kind) == (stage, "no-target")
        assert said.outcome.detail


async def test_app_that_was_updated_is_eligible_from_then_on(running: System) -> None:
    """A device tells its new version by registering again; its socket stays."""
    async with Household(running) as home:
        tv = await home.register("tv", version="1.1")
        screen = await home.switch_on(tv)
        before, between, after = (
            event(home.account, DIAGNOSTICS),
            event(home.account, PLAN),
            event(home.account, DIAGNOSTICS),
        )
        (place,) = await send(running, before)
        assert (await terminal(running, place)).outcome.kind == "no-target"
        await send(running, between)
        await tv.register("tv", "1.2")
        await send(running, after)
        await screen.shows(between["id"], after["id"])


@pytest.mark.parametrize(
    ("given", "superseded"),
    [
        ([{"version": "5"}, {"version": "4"}, {"version": "6"}], {1: 0}),
        ([{"version": "5"}, {"version": "5"}], {}),
        ([{"version": "10"}, {"version": "9"}], {1: 0}),
        ([{"time": timestamp(-10)}, {"time": timestamp(-20)}, {"time": timestamp(-5)}], {1: 0}),
        ([{"time": timestamp(-9)}] * 2, {}),
        ([{"version": "5"}, {"time": timestamp(-60)}, {"version": "6"}], {}),
        ([{"version": "5", "collapsekey": "a"}, {"version": "4", "collapsekey": "b"}], {}),
        ([{"version": "5"}, {"version": "4", "deviceids": "tv"}], {}),
        ([{"version": "5"}, {"version": "4", "origindevice": "phone"}], {}),
        ([{"version": "5"}, {"version": "6"}, {"version": "4"}, {"version": "5"}], {2: 1, 3: 1}),
    ],
    ids=["version", "same version", "by number", "time", "same time", "version and time", "another key",
         "other devices", "another origin", "several"],
)  # fmt: skip
async def test_older_than_the_newest_is_superseded(
    running: System, given: list[dict[str, str]], superseded: dict[int, int]
) -> None:
    """By version or, without one, by time; of equals all stand; other keys, targets and origins are apart."""
    async with Household(running) as home:
        screen = await home.on("tv")
        events = [event(home.account, PLAN, **attributes) for attributes in given]
        behind = event(home.account, BEHIND[PLAN])
        places = await send(running, *events, behind)
        standing = [each["id"] for number, each in enumerate(events) if number not in superseded]
        await screen.shows(*standing, behind["id"])
        for number, by in superseded.items():
            said = await terminal(running, places[number])
            partition, offset = places[by]
            assert (said.stage, said.outcome.kind) == ("notify", "superseded")
            assert said.outcome.detail.startswith(f"by {partition}:{offset}: ")


async def test_use_case_without_a_collapse_key_supersedes_nothing(running: System) -> None:
    """Of My List every change counts, also where the producer names a key: none holds all of another."""
    async with Household(running) as home:
        screen = await home.on("tv")
        plain = [event(home.account, MY_LIST, version=version) for version in ("5", "4")]
        keyed = [event(home.account, MY_LIST, version=version, collapsekey="row") for version in ("5", "4")]
        assert await play(home, [screen], *plain, *keyed) == [each["id"] for each in (*plain, *keyed)]


async def test_event_of_two_producers_takes_effect_once(running: System) -> None:
    """A retry by another process is a duplicate; another source or account has ids of its own."""
    async with Household(running) as home, Household(running) as others:
        screen, other = await home.on("tv"), await others.on("tv")
        once = event(home.account)
        elsewhere = {**once, "source": "/another"}
        theirs = {**once, "subject": others.account, "source": once["source"]}
        (first,) = await send(running, once)
        with closing(Publisher(running.kafka)) as publisher:
            key, value, headers = draft({**once, "time": timestamp()})
            topic, partition = running.topic("ingest"), home_of(home.account)
            again = await publisher.publish(topic, key, value, headers, partition)
        await send(running, theirs)
        assert await play(home, [screen], elsewhere) == [once["id"], once["id"]]
        await other.shows(once["id"])
        said = await terminal(running, again)
        assert (said.stage, said.outcome.kind) == ("route", "duplicate")
        assert said.outcome.detail == f"of {first[0]}:{first[1]}"


async def pull_all(client: DeviceClient, limit: int) -> list[list[str]]:
    """The pages that a device pulls until there is no more: the ids of their events."""
    pages, more = [], True
    while more:
        page = await client.pull(limit)
        pages.append([name for item in page.items for name in item["events"]])
        assert len(page.items) <= limit
        more = page.more
    return pages


def lane_positions(client: DeviceClient) -> dict[str, int]:
    """Where a device's cursor stands in each lane."""
    return dict(zip(LANES, cursors.decode(client.cursor, len(LANES)).positions, strict=True))


async def test_device_that_is_off_gets_all_and_goes_on_from_there(running: System) -> None:
    """Page by page, higher lanes first, past rows of others; then it goes online and gets only what is newer."""
    async with Household(running) as home:
        tv = await home.on("tv")
        phone = await home.register("phone", "phone")
        lists = [event(home.account, MY_LIST, **({"deviceids": "tv"} if number % 3 else {})) for number in range(24)]
        plans = [event(home.account, PLAN, collapsekey=f"k{number}") for number in range(4)]
        places = await send(running, *lists, *plans)
        await until(lambda: len(tv.events) == 28, lambda: tv)
        pages = await pull_all(phone, 3)
        expected = [each["id"] for each in [*plans, *lists[::3]]]
        assert [name for page in pages for name in page] == expected
        assert len(pages) >= 4
        # the last row of the lane is the television's: the cursor stands behind it all the same
        assert lane_positions(phone)["normal"] == position(1, places[23][1])
        assert lane_positions(phone)["high"] == position(1, places[27][1])
        assert await pull_all(phone, 3) == [[]]
        screen = await home.switch_on(phone)
        assert screen.events == []
        newer = event(home.account, MY_LIST)
        await send(running, newer)
        await screen.shows(newer["id"])
        assert phone.seen.repeats == 0


async def test_what_came_between_a_pull_and_going_online_comes_first(running: System) -> None:
    """The backlog from the cursor on is sent before `sync_end`, live events after it, all in order."""
    async with Household(running) as home:
        tv = await home.on("tv")
        phone = await home.register("phone", "phone")
        early, missed, live = (event(home.account, MY_LIST) for _ in range(3))
        await send(running, early)
        await tv.shows(early["id"])
        assert await pull_all(phone, 10) == [[early["id"]]]
        await send(running, missed)
        await tv.shows(early["id"], missed["id"])
        screen = await home.switch_on(phone)
        await send(running, live)
        await screen.shows(missed["id"], live["id"])
        kinds = [frame["type"] for frame in screen.frames]
        assert kinds == ["welcome", "notification", "sync_end", "notification"]


async def test_device_that_is_forgotten_gets_nothing_more(running: System) -> None:
    """From the answer on it is no target, though its socket is open; its next pull that finds news is refused.

    Registered again it is a target again.
    """
    async with Household(running) as home:
        tv = await home.on("tv")
        phone = await home.register("phone", "phone")
        screen = await home.switch_on(phone)
        before, without, after = (event(home.account, MY_LIST) for _ in range(3))
        await send(running, before)
        await screen.shows(before["id"])
        await phone.forget()
        (place,) = await send(running, without)
        await tv.shows(before["id"], without["id"])
        with pytest.raises(Refused, match="404 urn:lockstep:problem:unknown-device"):
            await phone.pull()
        assert await targeted(running, place) == {"tv"}
        await phone.register("phone", "2.0")
        await send(running, after)
        await screen.shows(before["id"], after["id"])


async def test_life_of_an_event_ends_at_its_expiry(running: System) -> None:
    """Until then it is pushed and pulled; afterwards neither a pull nor a backlog has it."""
    async with Household(running) as home:
        tv = await home.on("tv")
        early, late = await home.register("early", "phone"), await home.register("late", "phone")
        ends = time.time() + 4
        short, other = event(home.account, expirytime=timestamp(4)), event(home.account)
        await send(running, short, other)
        await tv.shows(short["id"], other["id"])
        assert await pull_all(early, 10) == [[short["id"], other["id"]]]
        start = late.cursor
        await until(lambda: time.time() > ends + 0.1, lambda: ends)
        assert await pull_all(late, 10) == [[other["id"]]]
        late.cursor, late.seen = start, type(late.seen)()
        assert (await home.switch_on(late)).events == [other["id"]]
