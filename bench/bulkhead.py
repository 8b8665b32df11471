"""`make bench-bulkhead`: what devices feel of providers in trouble that are not theirs.

Every account has a device on each platform. Events come open loop; their latency to the sockets and to the webhooks is
measured while all providers work, then while APNs hangs, FCM refuses connections and the push service of browsers
answers 429. The p99 of the others may not rise by a fifth; every event must be shown once at its socket, be in the
inbox, and reach its webhook; and the audit must find nothing missing. All is warmed up first by a load four times as
fast, for servers that compile themselves meanwhile would be slow in the first phase alone; and the rate is one that
leaves the machine room: where it has none, whatever retries take is what others lack, and no bulkhead is measured. The
last line is JSON; its `busy` is the share of the machine in use, beside trouble.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import psutil

from bench.child import Child
from bench.measure import busy, report
from bench.plan import Load
from bench.program import launch
from bench.runs import PATIENCE, Bench, Incomplete, Outcome, latencies_ms
from bench.system import Lockstep, lockstep, start
from deploy.local.servers import local_servers
from edge.oncall.auditing import Auditor
from sinks.devices import Device
from tests.integration.platforms.cases import BUSY, HANG, OK

TYPES: Final[Mapping[str, str]] = {"apns": "phone", "fcm": "tablet", "webpush": "browser", "webhook": "stick"}
#: What providers do in each phase. That of FCM is gone in the second one.
PHASES: Final[Mapping[str, Mapping[str, str]]] = {
    "calm": dict.fromkeys(TYPES, OK),
    "troubled": {"apns": HANG, "fcm": OK, "webpush": BUSY, "webhook": OK},
}
REFUSING: Final = "fcm"
#: How much faster than the rest the load is that warms all up.
WARMING: Final = 4
#: The p99 of the others may become so many times what it was.
MOST: Final = 1.2
_LOOK_S: Final = 0.05


class Sizes(NamedTuple):
    """Events a second, s of warming up and of each round, rounds of a phase, accounts."""

    rate: float
    warm: float
    seconds: float
    rounds: int
    accounts: int


class Found(NamedTuple):
    """p99 of each round of a phase, ms, to sockets and to webhooks; busy shares of the machine; what was wrong."""

    socket: list[float]
    webhook: list[float]
    busy: list[float]
    wrong: int


async def phase(
    system: Lockstep, providers: Child, sizes: Sizes, behaviours: Mapping[str, str], directory: Path
) -> Found:
    """One phase, on accounts of its own. First each has one event, after which its head is known."""
    load = Load("high", f"{uuid.uuid4().hex[:8]}", sizes.accounts, 0, 0)
    await enroll(system, load, providers, behaviours)
    found = Found([], [], [], 0)
    async with Bench(system, load, directory) as bench:
        before = providers.ask(do="taken")["webhook"]
        await bench.run(sizes.accounts, sizes.rate)
        for _ in range(sizes.rounds):
            cpu = psutil.cpu_times()
            run = await bench.run(int(sizes.rate * sizes.seconds), sizes.rate)
            found.busy.append(busy(cpu, psutil.cpu_times()))
            times = await webhooks(providers, before, bench.next(0).stop, directory)
            found.socket.append(p99(latencies_ms(run)))
            found.webhook.append(p99(since_due(run, times)))
            say(found)
        return found._replace(wrong=await bench.wrong())


async def warm_up(system: Lockstep, providers: Child, sizes: Sizes, directory: Path) -> int:
    """The same load beside healthy providers, and faster; what was wrong with it."""
    load = Load("high", f"{uuid.uuid4().hex[:8]}", sizes.accounts, 0, 0)
    await enroll(system, load, providers, PHASES["calm"])
    async with Bench(system, load, directory) as bench:
        before = providers.ask(do="taken")["webhook"]
        await bench.run(int(WARMING * sizes.rate * sizes.warm), WARMING * sizes.rate)
        await webhooks(providers, before, bench.next(0).stop, directory)
        return await bench.wrong()


def say(found: Found) -> None:
    """A line on the last round."""
    socket, webhook, used = found.socket[-1], found.webhook[-1], found.busy[-1]
    print(f"  sockets p99 {socket:.1f} ms, webhooks p99 {webhook:.1f} ms, machine busy {used:.0%}", flush=True)


async def enroll(system: Lockstep, load: Load, providers: Child, behaviours: Mapping[str, str]) -> None:
    """Register a device for each provider in every account; its token makes the provider behave."""
    now, names, devices = time.time_ns() // 1_000_000, load.names(), []
    for platform, behaviour in behaviours.items():
        tokens = providers.ask(do="tokens", platform=platform, behaviour=behaviour, number=len(names))
        for number, (name, token) in enumerate(zip(names, tokens, strict=True)):
            if platform == REFUSING:  # which counts by token, and this one is the same for all
                token = f"{behaviour}-{load.run}-{number}:{token}"
            devices.append((name, Device(platform, TYPES[platform], "2.0", platform, token, (), now)))
    await system.put(devices)


async def webhooks(providers: Child, before: int, events: int, directory: Path) -> Any:
    """Numbers and times of all calls of webhooks in a phase, once all events came to theirs. Raises Incomplete."""
    end, path = time.monotonic() + PATIENCE, str(directory / "webhooks.npy")
    while time.monotonic() < end:
        taken = await asyncio.to_thread(providers.ask, do="save", platform="webhook", path=path)
        if taken["webhook"] >= before + events:
            found = np.load(path)[:, before:]
            if len(np.unique(found[0])) == events:
                return found
        await asyncio.sleep(_LOOK_S)
    raise Incomplete(f"not all of {events} webhooks were called")


def since_due(run: Outcome, times: Any) -> Any:
    """From when each event of a run was due to when its webhook was called first, ms."""
    numbers, first = np.unique(times[0], return_index=True)
    ours = (numbers >= run.start) & (numbers < run.start + len(run.due))
    return (times[1][first[ours]] - run.due[numbers[ours] - run.start]) / 1e6


def p99(latencies: Any) -> float:
    """Of latencies in ms."""
    return float(np.percentile(latencies, 99))


def figures(calm: Found, troubled: Found, missing: int, wrong: int) -> dict[str, object]:
    """The last line; `wrong` was something before the phases."""
    found: dict[str, object] = {}
    ratios = []
    for name, before, after in (
        ("socket", calm.socket, troubled.socket),
        ("webhook", calm.webhook, troubled.webhook),
    ):
        ratios.append(statistics.median(after) / statistics.median(before))
        found[f"{name}_p99_ms"] = round(statistics.median(before), 1)
        found[f"{name}_p99_ratio"] = round(ratios[-1], 2)
    wrong += calm.wrong + troubled.wrong
    found["busy"] = round(statistics.median(troubled.busy), 2)
    return {**found, "moved": sum(ratio >= MOST for ratio in ratios), "audit_defects": missing, "wrong": wrong}


async def measure(system: Lockstep, providers: Child, sizes: Sizes, directory: Path) -> dict[str, object]:
    """Both phases of a lockstep that runs, then the audit of all that was published in them."""
    begun = time.time_ns() // 1_000_000
    members = [member for member in system.pipeline.members if member.alive]
    found: dict[str, Found] = {}
    wrong = await warm_up(system, providers, sizes, directory)
    for name, behaviours in PHASES.items():
        if name == "troubled":
            providers.ask(do="close", platform=REFUSING)
            print(f"{REFUSING} refuses connections from now on")
        print(f"{name}: {dict(behaviours)}", flush=True)
        found[name] = await phase(system, providers, sizes, behaviours, directory)
    audit = await asyncio.to_thread(
        lambda: Auditor(system.settings, system.topology).audit(begun, time.time_ns() // 1_000_000 + 1)
    )
    ended = [f"{member.name} is not ready" for member in members if not member.ready()]
    for line in (*(f"{each.partition}:{each.offset} {each.what}" for each in audit.defects), *ended):
        print(f"! {line}")
    return figures(found["calm"], found["troubled"], len(audit.defects) + len(ended), wrong)


def failed(numbers: Mapping[str, object]) -> bool:
    """Whether others felt the trouble, or the audit is not clean."""
    return bool(numbers["moved"] or numbers["audit_defects"])


def main() -> int:
    """Boot all servers, measure, print one line of JSON; 1 where something was wrong, or moved too far."""
    sizes = Sizes(
        float(os.environ.get("RATE", "30")),
        float(os.environ.get("WARM", "60")),
        float(os.environ.get("SECONDS", "30")),
        int(os.environ.get("ROUNDS", "3")),
        int(os.environ.get("ACCOUNTS", "1000")),
    )
    with local_servers() as running, tempfile.TemporaryDirectory(prefix="lockstep-bench-") as home:
        directory = Path(home)
        with Child("bench.providers") as providers:
            variables = providers.ask(do="open")
            with lockstep(running.endpoints, directory / "lockstep", providers=variables) as system:
                start(system)
                numbers = asyncio.run(measure(system, providers, sizes, directory))
                return report(numbers) or int(failed(numbers))


if __name__ == "__main__":
    launch(main)
