"""Probes and numbers of every process while it works."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.pipeline import Member
from tests.e2e.events import Draft, draft, event, home_of, publish, timestamp
from tests.e2e.household import Household, until
from tests.e2e.system import WORKERS, System
from tests.unit.fakes import ROOT

LANES = ("critical", "high", "normal", "low")
MEMBERS = (*WORKERS, "edge")
Labels = tuple[str, ...]


def member(system: System, name: str) -> Member:
    """The process of that name which runs."""
    return next(each for each in system.pipeline.members if each.name == name and each.alive)


async def get(system: System, name: str, path: str) -> tuple[int, str, str]:
    """Status, content type and text of a member's health port."""
    url = f"http://127.0.0.1:{member(system, name).health_port}{path}"
    async with aiohttp.request("GET", url) as response:
        return response.status, response.headers["Content-Type"], await response.text()


async def scrape(system: System, name: str) -> Counter[Labels]:
    """The numbers of a member: name of the sample, then the values of its labels in the order of their names."""
    _, _, text = await get(system, name, "/metrics")
    return Counter({
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    })  # fmt: skip


async def scrape_all(system: System) -> Counter[Labels]:
    """The counters of all stages, added up over the workers."""
    found: Counter[Labels] = Counter()
    for name in WORKERS:
        found.update({key: value for key, value in (await scrape(system, name)).items() if len(key) > 1})
    return found


@pytest.mark.parametrize("name", MEMBERS)
async def test_probes_of_a_member(running: System, name: str) -> None:
    """Live and ready, in a sentence; anything else is 404; metrics are text of Prometheus."""
    status, kind, text = await get(running, name, "/livez")
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert text == "live\n" if name == "edge" else text.startswith("lag ")
    status, _, text = await get(running, name, "/readyz")
    partitions = 8 if name == "router" else 24
    assert (status, text) == (200, "ready\n" if name == "edge" else f"{partitions} partitions, recovered: True\n")
    assert (await get(running, name, "/nothing"))[0] == 404
    status, kind, _ = await get(running, name, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    numbers = await scrape(running, name)
    gauges = {"lockstep_edge_sessions"} if name == "edge" else {"lockstep_lag_records", "lockstep_assigned_partitions"}
    assert gauges <= {key[0] for key in numbers}
    assert len(numbers) < 1000
    assert all(key[0].startswith("lockstep_") for key in numbers)
    assert await families(running, name) <= on_the_page()


async def families(system: System, name: str) -> set[tuple[str, str, tuple[str, ...]]]:
    """Name, kind and labels of everything that a member shows."""
    _, _, text = await get(system, name, "/metrics")
    return {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, tuple(sorted(labels - {"le"})))
        for family in text_string_to_metric_families(text)
        for labels in ({*sample.labels} for sample in family.samples)
    }


def on_the_page() -> set[tuple[str, str, tuple[str, ...]]]:
    """Name, kind and labels of each row of docs/metrics.md."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\w+) \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    return {(name, kind, tuple(sorted(filter(None, labels.split(", "))))) for name, kind, labels in rows}


def load(account: str) -> list[Draft]:
    """Twelve records of one account: seven good ones over all lanes, and five that end early."""
    plan = event(account, "member.plan.changed", version="2")
    lists = [event(account), event(account, "member.viewing.updated")]
    return [
        *map(draft, [plan, *lists]),
        draft(event(account, "member.profile.maturity-changed")),
        draft(event(account, "member.profile.changed", deviceids="phone")),
        draft(event(account, "member.home.refreshed")),
        draft(event(account, "device.diagnostics.requested")),
        draft(plan),
        draft({**event(account, "member.plan.changed", version="1")}),
        draft(event(account, time=timestamp(-86_400))),
        draft(event(account, "device.diagnostics.requested", devicetypes="phone")),
        Draft(account.encode(), b"{"),
    ]


#: What the load comes to: records by stage and lane, outcomes by stage, lane and kind. `stored` counts devices; the
#: push of the event that is the phone's alone tells the television's socket its number.
RECORDS = {"route": [12], "notify": [1, 3, 2, 3], "store": [1, 2, 2, 2], "push": [1, 2, 2, 2]}
OUTCOMES = {
    ("route", "all", "duplicate"): 1, ("route", "all", "stale"): 1, ("route", "all", "dead-lettered"): 1,
    ("notify", "high", "superseded"): 1, ("notify", "low", "no-target"): 1,
    ("store", "critical", "stored"): 2, ("store", "high", "stored"): 3, ("store", "normal", "stored"): 4,
    ("store", "low", "stored"): 3,
}  # fmt: skip


def records_of(moved: Mapping[Labels, int]) -> dict[str, list[int]]:
    """Records by stage and lane."""
    lanes = {"route": ("all",), "notify": LANES, "store": LANES, "push": LANES}
    return {stage: [moved["lockstep_records_total", lane, stage] for lane in lanes[stage]] for stage in lanes}


def outcomes_of(moved: Mapping[Labels, int], stages: Collection[str]) -> dict[Labels, int]:
    """Outcomes of these stages by stage, lane and kind."""
    found = ((key[1:], number) for key, number in moved.items() if key[0] == "lockstep_outcomes_total")
    return {(stage, lane, kind): number for (lane, kind, stage), number in found if stage in stages}


async def test_what_goes_in_comes_out(running: System) -> None:
    """Records in = outcomes for the event + records out, at every stage; the outcomes are counted by kind."""
    async with Household(running) as home:
        tv = await home.on("tv")
        await home.register("phone", "phone")
        before = await scrape_all(running)
        drafts = load(home.account)
        await publish(running, home_of(home.account), drafts)
        moved: Counter[Labels] = Counter()

        async def all_is_through() -> bool:
            now = await scrape_all(running)
            moved.clear()
            moved.update({key: value - before[key] for key, value in now.items() if value != before[key]})
            decided = outcomes_of(moved, ("route", "notify", "store"))
            return records_of(moved) == RECORDS and decided == OUTCOMES and len(tv.events) == 6

        await until(all_is_through, lambda: (moved, tv))
    records = {stage: sum(numbers) for stage, numbers in records_of(moved).items()}
    assert records["route"] == len(drafts) == records["notify"] + sum(outcomes_of(moved, ("route",)).values())
    assert records["notify"] == records["store"] + sum(outcomes_of(moved, ("notify",)).values())
    assert [key for key in moved if key[0] == "lockstep_copies_total"] == []
    assert {kind for _, _, kind in outcomes_of(moved, ("push",))} <= {"pushed", "undeliverable"}


async def test_the_edge_counts_its_devices(running: System) -> None:
    """Sessions and connections rise and fall with the devices; what they got, said and pulled is counted."""
    before = await scrape(running, "edge")
    async with Household(running) as home:
        tv = await home.on("tv")
        during = await scrape(running, "edge")
        assert during["lockstep_edge_sessions",] == before["lockstep_edge_sessions",] + 1
        assert during["lockstep_edge_hellos_total",] == before["lockstep_edge_hellos_total",] + 1
        events = [event(home.account) for _ in range(3)]
        await publish(running, home_of(home.account), [draft(each) for each in events])
        await tv.shows(*(each["id"] for each in events))
        phone = await home.register("phone", "phone")
        await phone.pull()

        async def acked() -> bool:
            return (await scrape(running, "edge"))["lockstep_edge_acks_total",] == before[
                "lockstep_edge_acks_total",
            ] + 3

        await until(acked, lambda: before)
        after = await scrape(running, "edge")
        sent = ("lockstep_edge_delivered_total", "lockstep_edge_backlog_total")
        assert sum(after[name,] - before[name,] for name in sent) == 3
        assert after["lockstep_edge_pull_pages_total",] == before["lockstep_edge_pull_pages_total",] + 1

    async def gone() -> bool:
        return (await scrape(running, "edge"))["lockstep_edge_sessions",] == before["lockstep_edge_sessions",]

    await until(gone, lambda: before)
