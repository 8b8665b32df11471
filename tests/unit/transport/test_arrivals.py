"""What has arrived waits for its own partition: nothing is lost or overtakes, and one that stands holds up no other."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.transport.arrivals import Arrivals, Chunk, Fetched
from streams.transport.batch import Partition

A, B = ("in", 0), ("in", 1)
MOST = 5


class Source:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.released = 0
        self.paused: set[Partition] = set()

    def release(self, weight: int) -> None:
        """See `arrivals.Source`."""
        self.released += weight

    def pause(self, sources: Iterable[Partition]) -> None:
        """See `arrivals.Source`."""
        self.paused |= set(sources)

    def resume(self, sources: Iterable[Partition]) -> None:
        """See `arrivals.Source`."""
        self.paused -= set(sources)


@pytest.fixture
def source() -> Source:
    """One that reads nothing."""
    return Source()


@pytest.fixture
def arrivals(source: Source) -> Arrivals:
    """Empty, in its first assignment."""
    made = Arrivals(source, MOST)
    made.begin(1)
    return made


def chunk(*offsets: int) -> Chunk:
    """Records that weigh ten bytes each."""
    return Chunk([Fetched(offset, 0, None, None, ()) for offset in offsets], 10 * len(offsets))


def offsets(taken: dict[Partition, list[Fetched]]) -> dict[Partition, list[int]]:
    """What was taken, by its offsets."""
    return {source: [record.offset for record in records] for source, records in taken.items()}


def anyone(source: Partition) -> bool:
    """Every partition has room."""
    return True


def no_one(source: Partition) -> bool:
    """None has."""
    return False


def test_a_slow_partition_is_given_what_has_gathered(arrivals: Arrivals, source: Source) -> None:
    """In one piece, as far as that is no larger than a batch may be; the rest comes next."""
    for number in range(3):
        arrivals.arrive(1, {A: chunk(2 * number, 2 * number + 1)})
    assert offsets(arrivals.take(no_one)) == {}
    assert source.released == 0
    assert offsets(arrivals.take(anyone)) == {A: [0, 1, 2, 3]}
    assert source.released == 40
    assert offsets(arrivals.take(anyone)) == {A: [4, 5]}
    assert offsets(arrivals.take(anyone)) == {}
    assert source.released == 60


def test_one_without_room_holds_up_no_other(arrivals: Arrivals) -> None:
    """The other is handed out."""
    arrivals.arrive(1, {A: chunk(0), B: chunk(0)})
    assert offsets(arrivals.take(lambda place: place == B)) == {B: [0]}
    assert offsets(arrivals.take(anyone)) == {A: [0]}


def test_nothing_of_an_earlier_assignment_is_used(arrivals: Arrivals, source: Source) -> None:
    """Neither what waits nor what is on its way; none of it takes up room."""
    arrivals.arrive(1, {A: chunk(0, 1)})
    arrivals.begin(2)
    arrivals.arrive(1, {A: chunk(2)})
    assert offsets(arrivals.take(anyone)) == {}
    assert source.released == 30
    arrivals.arrive(2, {A: chunk(0)})
    assert offsets(arrivals.take(anyone)) == {A: [0]}


def test_who_gives_nothing_out_is_paused_and_takes_no_room(arrivals: Arrivals, source: Source) -> None:
    """Once it had time to: at the second stall; it is read on when what it holds is handed out."""
    arrivals.arrive(1, {A: chunk(0, 1), B: chunk(0)})
    arrivals.stall()
    assert source.paused == set()
    assert offsets(arrivals.take(lambda place: place == B)) == {B: [0]}
    arrivals.arrive(1, {B: chunk(1)})
    arrivals.stall()
    assert source.paused == {A}
    assert source.released == 10 + 20
    arrivals.arrive(1, {A: chunk(2)})  # was on its way
    assert source.released == 10 + 30
    assert offsets(arrivals.take(anyone)) == {A: [0, 1, 2], B: [1]}
    assert source.paused == set()
    assert source.released == 50


def test_a_new_assignment_counts_what_was_paused_once(arrivals: Arrivals, source: Source) -> None:
    """Its bytes were released when it was paused."""
    arrivals.arrive(1, {A: chunk(0, 1)})
    arrivals.stall()
    arrivals.stall()
    arrivals.begin(2)
    assert source.released == 20


@given(st.lists(st.sampled_from(["arrive A", "arrive B", "take A", "take", "stall", "begin"]), max_size=40))
def test_each_partition_is_handed_out_in_order_and_whole(steps: list[str]) -> None:
    """Whatever happens meanwhile, and in the end every byte is released but those that wait."""
    source = Source()
    arrivals = Arrivals(source, MOST)
    number, given_out, waiting = 1, 0, {A: [0][:0], B: [0][:0]}
    arrivals.begin(number)
    for step in steps:
        word, _, where = step.partition(" ")
        places = [A] if where == "A" else [B] if where == "B" else [A, B]
        if word == "arrive":
            for place in places:
                waiting[place].append(given_out)
                arrivals.arrive(number, {place: chunk(given_out)})
                given_out += 1
        elif word == "take":
            for place, taken in offsets(arrivals.take(places.__contains__)).items():
                assert taken == waiting[place][: len(taken)]
                assert len(taken) == min(MOST, len(waiting[place]))
                del waiting[place][: len(taken)]
        elif word == "stall":
            arrivals.stall()
        else:
            number += 1
            arrivals.begin(number)
            waiting = {A: [], B: []}
            source.paused.clear()
        counted = sum(len(waiting[place]) for place in (A, B) if place not in source.paused)
        assert source.released == 10 * (given_out - counted)
