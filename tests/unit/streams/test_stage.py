"""What a stage is given: names, clock, checks, reports and resources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
import pytest

from streams.envelope import VERSION, ForeignTopic, UnknownVersion
from streams.outcomes import Outcome, decode_outcomes
from streams.settings import Settings
from streams.stage import MAX_OUTCOMES, Resources
from tests.unit.fakes import NOW, TOPIC_ID, FakeOutput, make_stage


def test_a_topic_is_of_the_stages_lane_unless_another_is_named() -> None:
    """Lane number 0 is a lane; platform and prefix come by themselves."""
    stage = make_stage("store", FakeOutput(), lane=0, settings=Settings(topic_prefix="dev."))
    assert stage.topic("outcomes") == "dev.outcomes"
    assert stage.topic("push.{platform}.{lane}") == "dev.push.socket.critical"
    assert stage.topic("push.{platform}.{lane}", lane=3, platform="apns") == "dev.push.apns.low"
    assert make_stage("route", FakeOutput()).topic("ingest") == "ingest"


def test_the_clock_is_in_milliseconds() -> None:
    """The clock is given; nobody else asks for the time."""
    stage = make_stage("store", FakeOutput())
    assert stage.now() == NOW
    assert msgspec.structs.replace(stage, clock=lambda: 1.9999).now() == 1999


def test_a_record_of_this_release_and_topic_passes() -> None:
    """Versions next to this one too."""
    stage = make_stage("store", FakeOutput())
    stage.verify(VERSION, TOPIC_ID)
    stage.verify(VERSION + 1, TOPIC_ID)


def test_a_record_of_another_release_or_topic_stops_the_stage() -> None:
    """Neither is skipped."""
    stage = make_stage("store", FakeOutput())
    with pytest.raises(UnknownVersion):
        stage.verify(VERSION + 2, TOPIC_ID)
    with pytest.raises(ForeignTopic):
        stage.verify(VERSION, b"else")


async def test_outcomes_of_a_batch_are_one_record() -> None:
    """Keyed by the account of the first, in the partition of the batch, and counted."""
    output = FakeOutput()
    stage = make_stage("store", output)
    outcomes = [Outcome("stored", "a", 1, ("d", "e")), Outcome("stale", "b", 2)]
    await stage.report(5, outcomes)
    [sent] = output.sent
    assert (sent.topic, sent.partition, sent.key) == ("outcomes", 5, b"a")
    batch = decode_outcomes(sent.value or b"")
    assert (batch.stage, batch.at, batch.outcomes) == ("store", NOW, tuple(outcomes))
    assert stage.metrics.outcomes == {"stored": 2, "stale": 1}


async def test_outcomes_of_many_devices_are_cut_into_records_that_the_topic_takes() -> None:
    """All of them, in order, each record for one batch; one record too large would stop the worker for good."""
    output = FakeOutput()
    devices = tuple(f"{number:036}" for number in range(20))
    outcomes = [Outcome("stored", "acct", seq, devices, ", ".join(devices)) for seq in range(2000)]
    await make_stage("store", output).report(5, outcomes)
    assert output.outcomes() == outcomes
    sizes = [len(sent.value or b"") for sent in output.sent]
    assert max(sizes) <= MAX_OUTCOMES < sum(sizes)
    assert {(sent.topic, sent.partition, sent.key) for sent in output.sent} == {("outcomes", 5, b"acct")}


async def test_one_outcome_of_too_many_devices_is_cut_too() -> None:
    """An account may have had them before there was a limit. Each device is in one part, and all that is said."""
    output = FakeOutput()
    devices = tuple(f"{number:0128}" for number in range(10_000))
    whole = Outcome("stored", "acct", 7, devices, ", ".join(devices), lane=2)
    await make_stage("store", output).report(5, [whole])
    parts = output.outcomes()
    assert tuple(device for part in parts for device in part.devices) == devices
    assert "".join(part.detail for part in parts) == whole.detail
    assert {msgspec.structs.replace(part, devices=(), detail="") for part in parts} == {
        Outcome("stored", "acct", 7, lane=2)
    }
    assert max(len(sent.value or b"") for sent in output.sent) <= MAX_OUTCOMES


async def test_nothing_to_report_is_no_record() -> None:
    """A batch without outcomes leaves the topic alone."""
    output = FakeOutput()
    await make_stage("store", output).report(0, [])
    assert output.sent == []


class Opened:
    """What resources remember of themselves."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @asynccontextmanager
    async def first(self, settings: Settings) -> AsyncIterator[str]:
        """Slow to open, so that another may ask meanwhile."""
        await asyncio.sleep(0)
        self.log.append(f"open first {settings.topic_prefix}")
        yield "one"
        self.log.append("close first")

    @asynccontextmanager
    async def second(self, settings: Settings) -> AsyncIterator[int]:
        """Fails the first time."""
        self.log.append("open second")
        if self.log.count("open second") == 1:
            raise OSError("refused")
        yield 2
        self.log.append("close second")


async def test_a_resource_is_opened_once_and_closed_in_reverse() -> None:
    """All who ask get the same object, also those who ask while it is being opened."""
    opened = Opened()
    first, second = opened.first, opened.second
    async with AsyncExitStack() as stack:
        resources = Resources(Settings(topic_prefix="p."), stack)
        assert await asyncio.gather(*(resources.get(first) for _ in range(3))) == ["one"] * 3
        with pytest.raises(OSError, match="refused"):
            await resources.get(second)
        assert await resources.get(second) == 2
    assert opened.log == ["open first p.", "open second", "open second", "close second", "close first"]
