"""The stage push, with a sink that only remembers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sinks.push import Inbox, Pusher, report
from sinks.results import Result
from streams.envelope import ForeignTopic, Push, UnknownVersion, encode
from tests.unit.fakes import NOW, FakeBatch, FakeOutput, FakeRecord, at, make_stage
from tests.unit.sinks.make import push


class Recorder:
    """A sink that takes everything."""

    def __init__(self) -> None:
        self.pushes: list[Push] = []

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Remember them."""
        self.pushes += pushes
        return [Result(n, target[0], "delivered") for n, push in enumerate(pushes) for target in push.targets]


async def _handle(*pushes: Push, taken: int = -1) -> tuple[Recorder, FakeOutput, int, int]:
    output, sink = FakeOutput(), Recorder()
    stage = make_stage("push", output, lane=0)
    records = [FakeRecord(n, b"anna", encode(each)) for n, each in enumerate(pushes)]
    watermark = await Pusher(stage, sink, Inbox()).handle(FakeBatch("push.socket.critical", records, taken=taken))
    return sink, output, watermark, stage.metrics.copies


async def test_pushes_are_delivered_and_reported() -> None:
    """One outcome a push."""
    sink, output, watermark, copies = await _handle(push(1), push(2))
    assert [each.seq for each in sink.pushes] == [at(1), at(2)]
    assert [(o.kind, o.seq, o.devices, o.lane) for o in output.outcomes()] == [
        ("pushed", at(1), ("tv",), 0),
        ("pushed", at(2), ("tv",), 0),
    ]
    assert (watermark, copies) == (at(2), 0)


async def test_copies_are_dropped() -> None:
    """At or below the watermark, and repeats within the batch."""
    sink, _, watermark, copies = await _handle(push(1), push(2), push(2), taken=at(1))
    assert [each.seq for each in sink.pushes] == [at(2)]
    assert (watermark, copies) == (at(2), 2)


@pytest.mark.parametrize("late", ["deadline", "expires"])
async def test_a_push_that_is_too_late_is_a_number(late: str) -> None:
    """The targets become others; their devices were not reached by a push."""
    sink, output, _, _ = await _handle(push(1, others=(("web", 5, 1, NOW),), **{late: NOW - 3}))
    (sent,) = sink.pushes
    assert (sent.targets, sent.payload, [other[0] for other in sent.others]) == ((), b"", ["tv", "web"])
    (outcome,) = output.outcomes()
    assert (outcome.kind, outcome.devices, outcome.detail) == ("undeliverable", ("tv",), "late: by 3 ms")


async def test_records_of_another_topic_or_format_stop_the_stage() -> None:
    """Both need a human."""
    with pytest.raises(ForeignTopic):
        await _handle(push(1, topic_id=b"none"))
    with pytest.raises(UnknownVersion):
        await _handle(push(1, version=9))


def test_devices_that_fared_alike_share_an_outcome() -> None:
    """Whatever the order of the results."""
    results = [
        Result(1, "c", "later", "syncing"),
        Result(0, "a", "delivered"),
        Result(1, "d", "gone", "not-here"),
        Result(0, "b", "delivered"),
        Result(1, "e", "refused"),
    ]
    made = [(o.kind, o.seq, o.devices, o.detail) for o in report([push(1), push(2)], results, "pushed")]
    assert made == [
        ("pushed", at(1), ("a", "b"), ""),
        ("undeliverable", at(2), ("d",), "not-here"),
        ("undeliverable", at(2), ("e",), "refused"),
        ("undeliverable", at(2), ("c",), "syncing"),
    ]
