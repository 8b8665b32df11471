"""The thread that reads: what it hands to the main loop, under which assignment, and when it waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from streams.transport import intake as module
from streams.transport.arrivals import Chunk, Fetched
from streams.transport.batch import Partition
from streams.transport.intake import BACKLOG, RECORD, ROOM, Intake, ReadingFailed
from streams.transport.mark import Mark

LINGER = 0.05
MOST = 200


def message(offset: int, partition: int = 0, value: bytes | None = b"value", **more: Any) -> Message:
    """A record as librdkafka gives it."""
    return Message(topic="in", partition=partition, offset=offset, value=value, timestamp=(2, 1000 + offset), **more)


def trouble(code: int) -> Message:
    """What stands in the place of a record."""
    return Message(topic="in", partition=0, offset=-1, error=KafkaError(code))


class Kafka:
    """The part of confluent_kafka.Consumer that is used: gives `reads` one after the other."""

    def __init__(self, reads: Sequence[list[Message]]) -> None:
        self.reads = list(reads)
        self.assigned: list[list[tuple[str, int, int]]] = []
        self.resumed: list[str] = []
        self.touched: list[str] = []
        self.before_poll: Callable[[], object] = lambda: None
        self._rest: list[Message] = []

    def poll(self, timeout: float) -> Message | None:
        """The first of a read."""
        self.before_poll()
        self._rest = self.reads.pop(0) if self.reads else []
        return self._rest.pop(0) if self._rest else None

    def consume(self, most: int, timeout: float) -> list[Message]:
        """The others."""
        assert (most, timeout) == (MOST - 1, 0)
        return self._rest

    def assign(self, places: list[TopicPartition]) -> None:
        """Note where it begins."""
        self.assigned.append([(place.topic, place.partition, place.offset) for place in places])

    def resume(self, places: list[TopicPartition]) -> None:
        """Note it."""
        self.resumed += [place.topic for place in places]
        self.touched.append("resume")

    def pause(self, places: list[TopicPartition]) -> None:
        """Note it."""
        self.touched.append("pause")

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Note it."""
        self.touched.append("login")

    def get_watermark_offsets(self, place: TopicPartition, cached: bool) -> tuple[int, int]:
        """Known of the first partition."""
        assert cached
        return (0, 7) if place.partition == 0 else (-1001, -1001)


class Scene:
    """An intake without a thread of its own: its steps are taken by the test."""

    def __init__(self, reads: Sequence[list[Message]] = (), linger: float = 0.0) -> None:
        self.kafka = Kafka(reads)
        self.arrived: list[tuple[int, Mapping[Partition, Chunk]]] = []
        self.stalls = 0
        self.failures: list[BaseException] = []
        self.intake = Intake({}, self._arrive, self._stall, self.failures.append, most=MOST, linger=linger)
        self.intake._consumer = self.kafka
        loop: Any = SimpleNamespace(call_soon_threadsafe=lambda call, *args: call(*args))
        self.intake._loop = loop

    def _arrive(self, number: int, found: Mapping[Partition, Chunk]) -> None:
        self.arrived.append((number, found))

    def _stall(self) -> None:
        self.stalls += 1
        self.intake.release(ROOM)

    def turn(self) -> None:
        """What the thread does over and over."""
        self.intake._answer()
        self.intake._read()
        self.intake._look()


class Waits:
    """In the place of an event that nobody sets: for how long it was waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def wait(self, timeout: float) -> bool:
        """As if the time had passed."""
        self.waits.append(timeout)
        return False

    def is_set(self) -> bool:
        """It is not."""
        return False


def test_records_come_by_partition_with_all_that_they_have() -> None:
    """In their order; without headers, with none."""
    headers = [("content-type", b"application/json")]
    scene = Scene([[message(4, key=b"k", headers=headers), message(9, 1, None), message(5)]])
    scene.turn()
    ((number, found),) = scene.arrived
    assert number == 0
    assert found["in", 0].records == [
        Fetched(4, 1004, b"k", b"value", headers),
        Fetched(5, 1005, None, b"value", ()),
    ]
    assert found["in", 1].records == [Fetched(9, 1009, None, None, ())]
    assert [chunk.weight for chunk in found.values()] == [2 * RECORD + 10, RECORD]


def test_it_begins_at_the_commit_or_at_the_beginning() -> None:
    """And reads on what was paused in an earlier assignment."""
    scene = Scene()
    scene.intake.assign({("in", 0): Mark(17, 3), ("in", 1): None})
    scene.turn()
    assert scene.kafka.assigned == [[("in", 0, 17), ("in", 1, -2)]]
    assert scene.kafka.resumed == ["in", "in"]
    scene.turn()
    assert len(scene.kafka.assigned) == 1


def test_a_record_belongs_to_the_assignment_in_force_when_it_was_read() -> None:
    """Were the next one told while a read waits, what that read gives is of the one before."""
    scene = Scene([[message(1)], [message(2)]])
    first = scene.intake.assign({("in", 0): Mark(1, 0)})
    scene.kafka.before_poll = lambda: scene.intake.assign({("in", 0): Mark(2, 0)})
    scene.turn()
    scene.kafka.before_poll = lambda: None
    scene.turn()
    assert [number for number, _ in scene.arrived] == [first, first + 1]


def test_of_two_assignments_only_the_later_is_read() -> None:
    """The earlier one is over before it began."""
    scene = Scene([[message(1)]])
    scene.intake.assign({("in", 1): Mark(1, 0)})
    latest = scene.intake.assign({("in", 0): Mark(1, 0)})
    scene.turn()
    assert scene.kafka.assigned == [[("in", 1, 1)], [("in", 0, 1)]]
    assert [number for number, _ in scene.arrived] == [latest]


def test_the_consumer_is_touched_between_reads_alone() -> None:
    """Called while another thread polls over and over, it may not return for as long as that goes on."""
    scene = Scene([[message(1)]])
    scene.turn()
    scene.kafka.resumed.clear()
    for ask in (scene.intake.pause, scene.intake.resume):
        ask([("in", 0)])
    scene.intake.login("name", "password")
    assert scene.kafka.touched == []
    scene.turn()
    assert scene.kafka.touched == ["pause", "resume", "login"]


@pytest.mark.parametrize(("linger", "counts", "expected"), [
    (LINGER, [1, BACKLOG - 1], [LINGER, LINGER]),
    (LINGER, [BACKLOG, 1], [LINGER]),
    (0.0, [1, 1], []),
], ids=["little", "backlog", "urgent"])  # fmt: skip
def test_only_what_is_little_is_followed_by_a_linger(linger: float, counts: list[int], expected: list[float]) -> None:
    """What comes meanwhile shares the next read; a backlog waits for nothing, nor does an urgent lane."""
    scene = Scene([[message(offset) for offset in range(count)] for count in counts], linger)
    told: Any = Waits()
    scene.intake._told = told
    for _ in counts:
        scene.intake._read()
    assert told.waits == expected


def test_it_reads_no_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so when there is none for a while."""
    monkeypatch.setattr(module, "STALL", 0.001)
    scene = Scene([[message(0, value=bytes(ROOM - RECORD))], [message(1)]])
    scene.turn()
    assert scene.stalls == 0
    scene.turn()
    assert scene.stalls == 1


def test_another_assignment_waits_for_no_room() -> None:
    """What takes the room up may be of the one that ends."""
    scene = Scene([[message(0, value=bytes(2 * ROOM))]])
    scene.kafka.before_poll = lambda: scene.intake.assign({})
    scene.turn()
    assert scene.stalls == 0


def test_what_may_pass_is_logged_and_the_records_beside_it_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    """librdkafka goes on by itself."""
    scene = Scene([[trouble(KafkaError.NOT_LEADER_FOR_PARTITION), message(3)], [trouble(KafkaError._TRANSPORT)]])
    with caplog.at_level(logging.WARNING):
        scene.turn()
        scene.turn()
    assert [[record.offset for record in found["in", 0].records] for _, found in scene.arrived] == [[3]]
    assert len(caplog.records) == 2
    assert scene.failures == []


def test_what_the_cluster_forbids_ends_the_process() -> None:
    """Reading on would not help."""
    scene = Scene([[trouble(KafkaError.TOPIC_AUTHORIZATION_FAILED)]])
    scene.turn()
    (failure,) = scene.failures
    assert isinstance(failure, ReadingFailed)


def test_the_end_of_a_partition_is_known_once_it_was_fetched() -> None:
    """Until then, and of one that is not read, nothing is."""
    scene = Scene()
    assert scene.intake.end_of(("in", 0)) is None
    scene.intake.assign({("in", 0): None, ("in", 1): None})
    scene.turn()
    assert [scene.intake.end_of(("in", number)) for number in range(3)] == [7, None, None]
    scene.intake.assign({})
    scene.turn()
    assert scene.intake.end_of(("in", 0)) is None


async def test_one_that_never_started_stops() -> None:
    """The consumer may have failed before."""
    await Intake({}, print, print, print, most=1).stop()
