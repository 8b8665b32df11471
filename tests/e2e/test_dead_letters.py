"""A bad deploy stops its own partition alone; what became dead letters is looked at, published again or discarded."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.pipeline import Member
from streams.deadletters import read_done
from streams.transport.client import Placed
from tests.asyncapi import check_headers, check_payload
from tests.e2e.events import Draft, draft, event, home_of, letters_of, publish, records, send, terminal
from tests.e2e.household import Household, until
from tests.e2e.system import System

LIMIT = 5
TYPE = "member.haircut"
LIST = "types: {member.list.changed: {}}"


def start(system: System, *names: str, **settings: str) -> list[Member]:
    """Start some workers, or the edge, and wait until they are ready."""
    members = [system.pipeline.edge() if name == "edge" else system.pipeline.worker(name, **settings) for name in names]
    system.pipeline.wait_ready(members)
    return members


def probe(member: Member, path: str) -> tuple[int, str]:
    """Status and text of a page of the health port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{member.health_port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def dlq(system: System, *arguments: str) -> list[dict[str, Any]]:
    """What `lockstep dlq` prints as JSON."""
    return [json.loads(line) for line in system.pipeline.command("dlq", *arguments, "--json").splitlines()]


def learn(system: System, path: Path) -> None:
    """Have processes that start from now on know the unknown type, by a topology file of their own."""
    text = Path(system.pipeline.environment["LOCKSTEP_TOPOLOGY"]).read_text()
    assert LIST in text
    path.write_text(text.replace(LIST, f"types: {{member.list.changed: {{}}, {TYPE}: {{}}}}"))
    system.pipeline.environment["LOCKSTEP_TOPOLOGY"] = str(path)


async def letters(system: System, *places: Placed) -> None:
    """Wait until these records are dead letters."""

    async def all_there() -> bool:
        found = [await asyncio.to_thread(letters_of, system, place) for place in places]
        return all(found)

    await until(all_there, lambda: places)


@asynccontextmanager
async def two_households(system: System) -> AsyncIterator[tuple[Household, Household]]:
    """Accounts on different partitions."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Household(system))
        other = await stack.enter_async_context(Household(system))
        while home_of(other.account) == home_of(one.account):
            other = await stack.enter_async_context(Household(system))
        yield one, other


async def test_a_bad_deploy_stops_its_partition_and_no_other(system: System) -> None:
    """Not ready, live, one line at ERROR; neighbours' events arrive; with a higher limit it goes on, nothing lost."""
    limits = {"LOCKSTEP_LIMITS__DEAD_LETTER_CONSECUTIVE": str(LIMIT)}
    router, *_ = await asyncio.to_thread(start, system, "router", "normal", "edge", **limits)
    async with two_households(system) as (broken, fine):
        theirs, ours = await broken.on("tv"), await fine.on("tv")
        partition = home_of(broken.account)
        flood = [Draft(broken.account.encode(), b"v2 of an event %d" % number) for number in range(4 * LIMIT)]
        behind, neighbour = event(broken.account), event(fine.account)
        places = await publish(system, partition, [*flood, draft(behind)])
        await send(system, neighbour)
        await ours.shows(neighbour["id"])
        await until(lambda: probe(router, "/readyz")[0] == 503, lambda: probe(router, "/readyz"))

        _, reason = probe(router, "/readyz")
        assert reason.startswith(f"{system.topic('ingest')}[{partition}] stopped: {LIMIT + 1} dead letters in a row")
        assert f"limit {LIMIT}" in reason
        assert probe(router, "/livez")[0] == 200
        assert "lockstep_stopped_partitions 1.0" in probe(router, "/metrics")[1]
        told = [line for line in router.log.read_text().splitlines() if f"[{partition}] stopped before offset" in line]
        assert [json.loads(line)["level"] for line in told] == ["ERROR"]
        kept = await asyncio.to_thread(records, system, "dead-letters", partition)
        assert len(kept) <= LIMIT
        again = event(fine.account)
        await send(system, again)
        await ours.shows(neighbour["id"], again["id"])
        assert theirs.events == []

        assert await asyncio.to_thread(router.stop) == 0
        await asyncio.to_thread(start, system, "router")
        await theirs.shows(behind["id"])
        await letters(system, *places[:-1])
        found = await asyncio.to_thread(dlq, system, "list", "--partition", str(partition))
        assert [letter["origin"]["offset"] for letter in found] == [offset for _, offset in places[:-1]]
        assert {letter["reason"] for letter in found} == {"undecodable"}


async def test_a_replayed_event_reaches_the_device_once(system: System, tmp_path: Path) -> None:
    """Of an unknown type, until topics.yaml knows it; the other one is discarded and never comes."""
    (router,) = await asyncio.to_thread(start, system, "router")
    async with Household(system) as home:
        wanted, unwanted = event(home.account, TYPE), event(home.account, TYPE)
        place, other = await send(system, wanted, unwanted)
        await letters(system, place, other)
        found = await asyncio.to_thread(dlq, system, "list", "--reason", "unknown-type", "--account", home.account)
        first, second = [f"{letter['partition']}:{letter['offset']}" for letter in found]
        shown = json.loads(await asyncio.to_thread(system.pipeline.command, "dlq", "show", first, "--payload"))
        assert (shown["event"]["id"], json.loads(shown["value"]["text"])) == (wanted["id"], wanted)
        await asyncio.to_thread(dlq, system, "discard", second, "--yes")

        await asyncio.to_thread(router.stop)
        learn(system, tmp_path / "topics.yaml")
        await asyncio.to_thread(start, system, "router", "normal", "edge")
        screen = await home.on("tv")
        (done,) = await asyncio.to_thread(dlq, system, "replay", "--all", "--yes")
        assert done["origin"]["offset"] == place[1]
        await screen.shows(wanted["id"])
        (again,) = await asyncio.to_thread(dlq, system, "replay", first, "--again", "--yes")
        at = int(again["placed"].partition(":")[2])
        said = await terminal(system, (place[0], at))
        assert (said.outcome.kind, said.outcome.detail) == ("duplicate", f"of {done['placed']}")
        last = event(home.account)
        await send(system, last)
        await screen.shows(wanted["id"], last["id"])
        found = await asyncio.to_thread(dlq, system, "list", "--account", home.account)
        assert [letter["state"] for letter in found] == ["replayed", "discarded"]
        check_contract(system, place[0])


def check_contract(system: System, partition: int) -> None:
    """Fail unless what others may read is as docs/asyncapi.json says: dead letters, their markers, outcomes."""
    kept = records(system, "dead-letters", partition)
    kinds = ["dead-letter" if read_done(record.headers) is None else "dead-letter-marker" for record in kept]
    for kind, record in zip(kinds, kept, strict=True):
        check_headers(kind, record.headers)
        assert (record.value is None) == (kind == "dead-letter-marker")
    assert kinds.count("dead-letter") >= 2
    assert kinds.count("dead-letter-marker") >= 2
    batches = [msgspec.msgpack.decode(record.value or b"") for record in records(system, "outcomes", partition)]
    for batch in batches:
        check_payload("outcome-batch", batch)
    assert {"route", "store"} <= {stage for _, stage, *_ in batches}
