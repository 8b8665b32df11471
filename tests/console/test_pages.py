"""Every page's data, on a running lockstep with a household in it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from tests.console.browser import Browser
from tests.e2e.events import event, send, terminal
from tests.e2e.household import Household, until
from tests.e2e.system import System


async def found(browser: Browser, text: str, kind: str) -> list[dict[str, Any]]:
    """Hits of a kind, once the index has any."""
    hits: list[dict[str, Any]] = []

    async def any_there() -> bool:
        answer = await browser.get(f"search?q={text}")
        assert answer.status == 200, answer
        hits[:] = [hit for hit in answer.body["hits"] if hit["kind"] == kind]
        return bool(hits)

    await until(any_there, lambda: (text, kind, hits))
    return hits


async def test_the_topology_is_that_of_the_file(reader: Browser, running: System) -> None:
    """Lanes in their order, stages with their topics, use cases whole, and where the edge is."""
    answer = await reader.get("topology")
    assert answer.body["lanes"] == ["critical", "high", "normal", "low"]
    route = answer.body["stages"][0]
    assert (route["name"], route["topic"], route["group"]) == (
        "route",
        running.prefix + "ingest",
        running.prefix + "router",
    )
    assert {case["name"]: case["merge"] for case in answer.body["use_cases"]}["my-list"] == "union"
    assert answer.body["edge"]["http"] == running.url
    assert answer.body["play"] is True


async def test_an_event_is_found_by_each_of_its_names(reader: Browser, running: System) -> None:
    """By id, place and notification; its account and its devices too; and the whole of it is its trace."""
    async with Household(running) as home:
        device = f"tv-{home.account}"
        screen = await home.on(device)
        made = event(home.account)
        (place,) = await send(running, made)
        await screen.shows(made["id"])
        (hit,) = await found(reader, made["id"], "event")
        assert (hit["partition"], hit["offset"], hit["account"], hit["type"]) == (*place, home.account, made["type"])
        assert [hit["account"] for hit in await found(reader, home.account, "account")] == [home.account]
        assert [hit["account"] for hit in await found(reader, device, "device")] == [home.account]
        assert await found(reader, f"{place[0]}:{place[1]}", "event") == [hit]
        assert await found(reader, screen.items[0]["id"], "event") == [hit]
        answer = await reader.get(f"events/{place[0]}/{place[1]}")
        assert answer.body["event"]["id"] == made["id"]
        assert {gate["stage"] for gate in answer.body["gates"]} == {"route", "notify", "store"}
        assert [fate["device"] for fate in answer.body["devices"]] == [device]


async def test_payloads_are_hidden_from_those_who_may_not_see_them(
    reader: Browser, writer: Browser, running: System
) -> None:
    """Of events, rows and dead letters."""
    async with Household(running) as home:
        await home.register("tv")
        good, bad = (
            event(home.account, data={"secret": "s3cret"}),
            event(home.account, "member.x", data={"s": "s3cret"}),
        )
        places = await send(running, good, bad)
        await terminal(running, places[1])
        for place in places:
            shown, hidden = [await each.get(f"events/{place[0]}/{place[1]}") for each in (writer, reader)]
            assert "s3cret" in shown.body["raw"]["body"]
            assert hidden.body["raw"]["hidden"]
            assert "s3cret" not in json.dumps(hidden.body)
        answer = await reader.get("dead-letters?reason=unknown-type")
        (letter,) = [each for each in answer.body["letters"] if each["event_id"] == bad["id"]]
        path = f"dead-letters/{letter['partition']}/{letter['offset']}"
        shown, hidden = [await each.get(path) for each in (writer, reader)]
        assert shown.body["original"]
        assert hidden.body["original"] is None
        assert hidden.body["event"]["id"] == bad["id"]
        assert "s3cret" not in json.dumps(hidden.body)
        shown, hidden = [await each.get(f"accounts/{home.account}") for each in (writer, reader)]
        assert "s3cret" in shown.body["inbox"]["rows"][0]["body"]
        assert "s3cret" not in json.dumps(hidden.body)


async def test_an_account_with_its_devices_inbox_and_outcomes(reader: Browser, running: System) -> None:
    """Who is online and where, rows with their positions, how far each device has read, and what was said."""
    async with Household(running) as home:
        screen = await home.on("tv")
        await home.register("phone", "phone")
        made = event(home.account)
        (place,) = await send(running, made)
        await screen.shows(made["id"])
        told: dict[str, Any] = {}

        async def ended() -> bool:
            """Outcomes of two topics' partitions, which the index reads in any order."""
            answer = await reader.get(f"accounts/{home.account}")
            assert answer.status == 200, answer
            told.update(answer.body)
            return {"stored", "acked"} <= {said["outcome"] for said in told["outcomes"]}

        await until(ended, lambda: told)
        devices = {device["id"]: device for device in told["devices"]}
        assert devices["tv"]["presence"]["online"]
        assert devices["phone"]["presence"] is None
        (row,) = told["inbox"]["rows"]
        assert (row["event"]["offset"], row["events"]) == (place[1], [made["id"]])
        assert told["inbox"]["cursors"]["tv"]["normal"]["offset"] == place[1]
        assert told["inbox"]["heads"]["normal"]["offset"] == place[1]
        assert told["inbox"]["heads"]["low"] is None


async def test_the_flow_is_live(reader: Browser, running: System) -> None:
    """Every stage of every worker, its rate while events pass, what is dropped and why, and conservation."""
    async with Household(running) as home:
        await home.on("tv")
        stop = asyncio.Event()

        async def busy() -> None:
            while not stop.is_set():
                await send(running, event(home.account), event(home.account, "member.unknown"))
                await asyncio.sleep(0.05)

        task = asyncio.create_task(busy())
        try:
            lines = await reader.lines("flow/stream", 4)
        finally:
            stop.set()
            await task
    samples = [json.loads(line.removeprefix("data: ")) for line in lines]
    rows = {(row["worker"], row["stage"], row["lane"]): row for row in samples[-1]["workers"]}
    assert rows["router", "route", None]["rate"] > 0
    assert rows["router", "route", None]["drops"]["dead-lettered"] > 0
    assert rows["normal", "notify", "normal"]["rate"] > 0
    assert all(row["up"] for row in rows.values())
    assert samples[-1]["conservation"]["state"] == "ok"
    assert samples[-1]["edge"]["sessions"] >= 1
    assert (await reader.get("flow")).body["workers"]
    assert time.time() - samples[-1]["at"] / 1000 < 60
