"""Plays the scenario: publishes each event, waits for what must become of it, and prints a line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from lockstep_client import DeviceClient

from examples.demo.household import Device, token_for
from examples.demo.scenario import ACCOUNT, HOUSEHOLD, Step, steps
from examples.demo.watch import Fate, Watch
from streams.envelope import position
from streams.policies import policies
from streams.settings import Settings
from streams.topology import Topology
from streams.transport.client import Publisher

T = TypeVar("T")
WAIT_SECONDS = 20.0
POLL_SECONDS = 0.005
#: What passed before an event was refused with each outcome.
PASSED = {
    "dead-lettered": "decode: refused",
    "stale": "age: refused",
    "duplicate": "age ok, duplicate: refused",
    "superseded": "age ok, new, superseded: refused",
    "merged": "age ok, new, merged",
    "": "age ok, new, newest",
}


class Play:
    """One performance; `run` says whether every expected outcome was seen."""

    def __init__(self, settings: Settings, topology: Topology) -> None:
        self.place = (0, 0)  # of the last event
        self.dropped = (0, 0)  # of the one that a newer one superseded
        self._settings = settings
        self._topology = topology
        self._devices: dict[str, Device] = {}
        self._missed: list[Step] = []
        self._wrong = 0

    async def run(self) -> bool:
        """Play all steps, then switch the phone on."""
        async with AsyncExitStack() as stack:
            publisher = Publisher(self._settings.kafka.servers)
            stack.callback(publisher.close)
            topic = self._settings.topic_prefix + "outcomes"
            watch = Watch(self._settings.kafka, topic, self._topology.partitions)
            stack.callback(watch.stop)
            await self._move_in(stack)
            print(f"{'event':29} {'lane':9} {'gates':33} devices (ms from publish)")
            for step in steps(datetime.now(UTC)):
                await self._play(step, publisher, watch)
            await self._come_home(watch)
        print(f"\n{'every expected outcome was seen' if not self._wrong else f'{self._wrong} outcomes are missing'}")
        return not self._wrong

    async def _move_in(self, stack: AsyncExitStack) -> None:
        url = f"http://{self._settings.edge.host}:{self._settings.edge.port}"
        for home in HOUSEHOLD:
            client = await stack.enter_async_context(DeviceClient(url, home.id, token_for(home, self._settings.tokens)))
            device = self._devices[home.id] = Device(home, client)
            await device.register()
            if home.on:
                device.switch_on()
                stack.push_async_callback(device.switch_off)
                await asyncio.wait_for(device.synced.wait(), WAIT_SECONDS)
        print("household-7: " + ", ".join(f"{home.id} ({'on' if home.on else 'off'})" for home in HOUSEHOLD))

    async def _play(self, step: Step, publisher: Publisher, watch: Watch) -> None:
        headers = [("content-type", b"application/cloudevents+json")]
        begun = time.monotonic()
        topic = self._settings.topic_prefix + "ingest"
        steps = (step, *step.more)
        places = await asyncio.gather(
            *(publisher.publish(topic, ACCOUNT.encode(), one.value(), headers) for one in steps)
        )
        self.place = places[-1]
        if step.outcome == "superseded":
            self.dropped = places[-1]
        seq, *others = (position(self._topology.epoch, offset) for _, offset in places)
        if others:
            good, said = await self._merged(dict(zip((seq, *others), steps, strict=True)), watch, begun)
        elif step.outcome:
            good, said = await self._refused(step, watch, seq)
        else:
            good, said = await self._delivered(step, watch, seq, begun)
        self._wrong += not good
        mark = " " if good else "!"
        print(f"{mark}{step.title:28} {self._lane(step):9} {PASSED[step.outcome]:33} {said}", flush=True)

    async def _refused(self, step: Step, watch: Watch, seq: int) -> tuple[bool, str]:
        fate = await _until(lambda: watch.fate(ACCOUNT, seq), lambda fate: fate.event is not None)
        if fate.event is None:
            return False, f"no outcome in {WAIT_SECONDS:.0f} s, expected {step.outcome}"
        return fate.event.kind == step.outcome, f"{fate.event.kind}: {fate.event.detail}"

    async def _delivered(self, step: Step, watch: Watch, seq: int, begun: float) -> tuple[bool, str]:
        online = [device for device in step.devices if self._devices[device].home.on]
        lane = policies(self._topology)[step.attributes["type"]].lane_at(int(time.time() * 1000))

        def is_whole(fate: Fate) -> bool:
            return set(fate.stored) == set(step.devices) and all(
                watch.has(ACCOUNT, device, lane, seq) and self._event(step) in self._devices[device].receipts
                for device in online
            )

        fate = await _until(lambda: watch.fate(ACCOUNT, seq), is_whole)
        self._missed += [step] if set(step.devices) - set(online) else []
        return is_whole(fate), ", ".join(self._line(step, device, fate, begun) for device in step.devices)

    async def _merged(self, steps: dict[int, Step], watch: Watch, begun: float) -> tuple[bool, str]:
        """All reach the devices, and at least one as part of another: they lie in two windows at most."""

        def read() -> dict[int, Fate]:
            return {seq: watch.fate(ACCOUNT, seq) for seq in steps}

        def is_whole(fates: dict[int, Fate]) -> bool:
            return any(fate.event for fate in fates.values()) and all(
                (fate.event or set(fate.stored) == set(step.devices))
                and all(self._event(step) in self._devices[device].receipts for device in step.devices if device in on)
                for step, fate in zip(steps.values(), fates.values(), strict=True)
            )

        on = {device for device, made in self._devices.items() if made.home.on}
        title = next(iter(steps.values())).title
        self._missed += [replace(one, title=f"{title}: {n}") for n, one in enumerate(steps.values(), 1)]
        fates = await _until(read, is_whole)
        last = list(steps.values())[-1]
        said = [f"{fate.event.kind} {fate.event.detail}" for fate in fates.values() if fate.event]
        said += [self._line(last, device, list(fates.values())[-1], begun) for device in last.devices]
        good = is_whole(fates) and all(fate.event is None or fate.event.kind == "merged" for fate in fates.values())
        return good, ", ".join(said)

    def _line(self, step: Step, device: str, fate: Fate, begun: float) -> str:
        receipt = self._devices[device].receipts.get(self._event(step))
        if receipt is not None:
            return f"{device} acked {(receipt.at - begun) * 1000:.0f}"
        return f"{device} {'stored (off)' if device in fate.stored else 'nothing'}"

    async def _come_home(self, watch: Watch) -> None:
        """The phone that was off comes online and gets what it missed, and nothing else."""
        phone = next(device for device in self._devices.values() if not device.home.on)
        print(f"\n{phone.home.id} comes online:")
        wanted = [self._event(step) for step in self._missed]
        phone.switch_on()
        try:
            await _until(lambda: phone.receipts, lambda got: set(wanted) <= set(got))
        finally:
            await phone.switch_off()
        for step in self._missed:
            receipt = phone.receipts.get(self._event(step))
            self._wrong += receipt is None
            print(f"{' ' if receipt else '!'}{step.title:28} {receipt.how if receipt else 'not there'}")
        surplus = set(phone.receipts) - set(wanted)
        self._wrong += len(surplus) + phone.client.seen.repeats
        if surplus:
            print(f"! and {len(surplus)} that it must not have")

    def _lane(self, step: Step) -> str:
        policy = policies(self._topology).get(step.attributes.get("type", ""))
        return "-" if policy is None else self._topology.lane_names()[policy.lane_at(int(time.time() * 1000))]

    @staticmethod
    def _event(step: Step) -> str:
        return step.attributes["id"]


async def _until(read: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """What `read` gives once it holds, or the last of it when time is up."""
    found = read()
    for _ in range(int(WAIT_SECONDS / POLL_SECONDS)):
        if holds(found):
            break
        await asyncio.sleep(POLL_SECONDS)
        found = read()
    return found
