"""What changes something says so and does it once; what is a dry run changes nothing at all."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import aiohttp
from redis import Redis

from streams.admin import committed
from streams.check import load_file
from streams.settings import Settings, read_settings
from streams.topology import Topology
from streams.transport.client import Publisher, watermarks
from tests.console.browser import Browser
from tests.console.test_pages import found
from tests.e2e.audited import audit
from tests.e2e.events import draft, event, home_of, send, terminal, timestamp
from tests.e2e.household import Household, until
from tests.e2e.system import WORKERS, System


def settings_of(system: System) -> tuple[Settings, Topology]:
    """Those of its processes."""
    settings = read_settings(system.pipeline.environment)
    return settings, load_file(settings.topology, settings, handlers=False)


def traces(system: System) -> tuple[Any, ...]:
    """Everything that a dry run must leave as it is: ends of all topics, commits, and the keys of Redis."""
    settings, topology = settings_of(system)
    ends = {
        topic.name: watermarks(settings.kafka.servers, system.topic(topic.name), range(topic.partitions))
        for topic in topology.all_topics()
    }
    commits = {worker: committed(settings, system.prefix + worker) for worker in WORKERS}
    with Redis(settings.redis.host, settings.redis.port, settings.redis.database) as redis:
        keys = sorted(key for key in redis.scan_iter() if not key.startswith(b"gateways"))
        heads = {key: redis.hgetall(key) for key in keys if key[:2] in (b"h:", b"p:", b"d:")}
    return ends, commits, keys, heads


async def quiet(system: System) -> tuple[Any, ...]:
    """The same once it stands still for a moment: outcomes and commits follow events."""
    last: list[Any] = [await asyncio.to_thread(traces, system)]

    async def stands() -> bool:
        await asyncio.sleep(1.2)
        last.append(await asyncio.to_thread(traces, system))
        return bool(last[-1] == last[-2])

    await until(stands, lambda: "it does not stand still")
    return tuple(last[-1])


async def test_a_dry_run_changes_nothing(reader: Browser, running: System) -> None:
    """Simulations and what-ifs of all kinds: no offset, no commit and no key moves, and the audit is clean."""
    async with Household(running) as home:
        screen = await home.on("tv")
        await home.register("phone", "phone")
        first = event(home.account, "member.plan.changed")
        await send(running, first)
        await screen.shows(first["id"])
        await found(reader, home.account, "account")
        before = await quiet(running)
        audited = await asyncio.to_thread(audit, running)
        path = f"accounts/{home.account}/simulate"
        for draft in ({"type": "member.plan.changed"}, {"type": "member.unknown"},
                      {"type": "member.list.changed", "data": {"titles": {"added": [1]}}}):  # fmt: skip
            assert (await reader.post(path, draft)).status == 200
        for question in ({"max_age": "1s"}, {"merge": "latest", "lane": "low"}):
            asked = {"use_case": "plan-change", **question}
            assert (await reader.post("what-if", asked)).status == 200
        assert await asyncio.to_thread(traces, running) == before
        assert screen.events == [first["id"]]
        again = await asyncio.to_thread(audit, running)
        assert not audited["broken"]
        assert not again["broken"]
        assert again["events"] == audited["events"]


async def test_a_simulated_event_is_judged_as_a_real_one(reader: Browser, running: System) -> None:
    """Delivered where it would be, and refused by the gate that would refuse it, with its numbers."""
    async with Household(running) as home:
        screen = await home.on("tv")
        await home.register("phone", "phone")
        made = event(home.account, "member.plan.changed")
        (place,) = await send(running, made)
        await screen.shows(made["id"])
        await found(reader, home.account, "account")
        path = f"accounts/{home.account}/simulate"
        told = (await reader.post(path, {"type": "member.plan.changed", "origin": "other"})).body
        assert all(gate["verdict"] == "passed" for gate in told["verdicts"]), told
        assert {each["id"]: each["would"] for each in told["devices"]} == {"tv": "push", "phone": "store"}
        told = (await reader.post(path, {"type": "device.diagnostics.requested"})).body
        devices = {each["id"]: each for each in told["devices"]}
        assert (devices["phone"]["would"], devices["phone"]["why"]) == ("nothing", "its type is not meant")
        again = {"type": made["type"], "id": made["id"], "source": made["source"], "data": made["data"]}
        told = (await reader.post(path, again)).body
        assert told["outcome"] == {"kind": "duplicate", "why": f"of {place[0]}:{place[1]}"}
        assert (told["verdicts"][-1]["gate"], told["verdicts"][-1]["verdict"]) == ("duplicates", "refused")
        old = {"type": "member.plan.changed", "time": "2020-01-01T00:00:00Z"}
        told = (await reader.post(path, old)).body
        assert told["outcome"]["kind"] == "stale"
        told = (await reader.post(path, {"type": "member.plan.changed", "time": "tomorrow"})).body
        assert told["outcome"]["kind"] == "dead-lettered"


async def test_what_if_a_use_case_mattered_for_a_shorter_time(reader: Browser, running: System) -> None:
    """Events that were older than that when they came would have been stale; the others stay."""
    async with Household(running) as home:
        await home.register("tv")
        late = [event(home.account, "device.diagnostics.requested", time=timestamp(-60)) for _ in range(3)]
        fresh = event(home.account, "device.diagnostics.requested")
        places = await send(running, *late, fresh)
        asked = {"use_case": "diagnostics", "max_age": "30s", "minutes": 5}
        told = (await reader.post("what-if", asked)).body
        assert told["left_out"]["records"] == 0
        assert told["then"]["stale"] - told["now"]["stale"] == 3
        assert told["now"]["delivered"] - told["then"]["delivered"] == 3
        examples = {(each["event"]["partition"], each["event"]["offset"]): each for each in told["examples"]}
        assert {examples[place]["then"]["outcome"] for place in places[:3]} == {"stale"}
        assert places[3] not in examples
        told = (await reader.post("what-if", {"use_case": "diagnostics", "lane": "high", "minutes": 5})).body
        assert told["delay_ms"]["then"]["max"] == 0 < told["delay_ms"]["now"]["max"] <= 1000


async def test_a_dead_letter_is_replayed_once(reader: Browser, writer: Browser, running: System) -> None:
    """It is listed, asked about, put into ingest again, and then no more."""
    async with Household(running) as home:
        bad = event(home.account, "member.nowhere")
        (place,) = await send(running, bad)
        await terminal(running, place)
        listed = (await reader.get("dead-letters?reason=unknown-type")).body
        assert listed["counts"]["unknown-type"] >= 1
        (letter,) = [each for each in listed["letters"] if each["event_id"] == bad["id"]]
        assert (letter["state"], letter["account"]) == ("open", home.account)
        path = f"dead-letters/{letter['partition']}/{letter['offset']}"
        done, refused = await asyncio.gather(*(writer.post(f"{path}/replay", {"confirm": True}) for _ in range(2)))
        assert (done.status, done.body["state"]) == (200, "replayed")
        assert (refused.status, refused.problem) == (409, "done-before")
        partition, offset = map(int, done.body["placed"].split(":"))
        await terminal(running, (partition, offset))
        assert (await writer.post(f"{path}/discard", {"confirm": True, "again": True})).body["state"] == "discarded"
        assert (await reader.get(path)).body["state"] == "discarded"


async def test_a_dead_letter_that_is_not_whole_is_not_replayed(
    reader: Browser, writer: Browser, running: System
) -> None:
    """It says how many bytes it lacks, and where they lie; it can be discarded."""
    async with Household(running) as home:
        large = draft(event(home.account, data="x" * (3 << 20)))
        with closing(Publisher(running.kafka, **{"message.max.bytes": 4 << 20})) as publisher:
            place = await publisher.publish(running.topic("ingest"), *large, home_of(home.account))
        await terminal(running, place)
        listed = (await reader.get("dead-letters?reason=oversized")).body["letters"]
        (letter,) = [each for each in listed if each["account"] == home.account]
        assert letter["size"] == letter["left_out"] == len(large.value or b"")
        path = f"dead-letters/{letter['partition']}/{letter['offset']}"
        refused = await writer.post(f"{path}/replay", {"confirm": True})
        assert (refused.status, refused.problem) == (409, "left-out")
        assert (await reader.get(path)).body["state"] == "open"
        assert (await writer.post(f"{path}/discard", {"confirm": True})).body["state"] == "discarded"


async def test_the_page_can_be_a_device(writer: Browser, running: System) -> None:
    """With the token that it is given, a television registers at the edge, whose stores may be slow at first."""
    wish = {"account": f"play-{running.prefix}", "device": "tv-1", "type": "tv"}
    told = (await writer.post("play/token", wish)).body
    headers = {"Authorization": f"Bearer {told['token']}"}
    body = {"type": "tv", "app_version": "1.0"}
    url = f"{told['edge']['http']}/v1/devices/tv-1"
    statuses: list[int] = []
    async with aiohttp.ClientSession(headers=headers) as client:

        async def registered() -> bool:
            async with client.put(url, json=body) as answer:
                statuses.append(answer.status)
            assert answer.status in (201, 503)
            return answer.status == 201

        await until(registered, lambda: statuses)
