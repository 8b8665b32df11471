"""Headers of dead letters, of their replays and of the markers that say what was done to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.deadletters import (
    FIRST,
    LEFT_OUT,
    PREFIX,
    Done,
    Identity,
    Origin,
    Parts,
    dead_letter,
    done,
    first_of,
    letter,
    read_dead_letter,
    read_done,
    replay,
)
from tests.unit.fakes import FakeRecord

ORIGIN = Origin("ingest", 3, 17, "unknown-type", "no use case has the type 'x'", b"topc")
names = st.one_of(st.text(max_size=8), st.sampled_from(["topic", "reason", "done", "left-out"]).map(PREFIX.__add__))
headers = st.lists(st.tuples(names, st.binary(max_size=8)), max_size=5)


@given(headers)
def test_a_dead_letter_is_read_whatever_headers_its_producer_set(theirs: list[tuple[str, bytes]]) -> None:
    """Ours come last and count; theirs stay; and it is never taken for a marker."""
    made = dead_letter(ORIGIN, theirs)
    assert read_dead_letter(made) == ORIGIN
    assert made[: len(theirs)] == theirs
    assert read_done(made) is None


@given(headers, st.integers(0, 200), st.integers(0, 2_000), st.integers(700, 2_500))
def test_a_letter_is_never_too_large(theirs: list[tuple[str, bytes]], key: int, value: int, most: int) -> None:
    """It has all of the record where that fits, and says else what it lacks and where that lies."""
    record = FakeRecord(17, b"k" * key, b"v" * value, theirs)
    made = letter(ORIGIN, record, most)
    assert made.fits(most)
    origin = read_dead_letter(made.headers)
    assert origin.identity == ORIGIN.identity
    if origin == ORIGIN:
        assert made == (record.key, record.value, dead_letter(ORIGIN, theirs))
    else:
        assert made.value is None
        assert not Parts(record.key, record.value, dead_letter(ORIGIN, theirs)).fits(most)
        assert origin.detail.endswith(f"{origin.left_out} bytes, which lie in ingest 3:17 alone")


@pytest.mark.parametrize(
    ("record", "kept", "what", "size"),
    [
        (FakeRecord(17, b"acct", b"v" * 3_000, [("app", b"x")]), b"acct", "value", 3_000),
        (FakeRecord(17, b"k" * 3_000, None), None, "key, value and headers", 3_000),
        (FakeRecord(17, b"acct", b"v", [("app", b"x" * 3_000)]), None, "key, value and headers", 3_008),
    ],
)
def test_what_is_too_large_stays_where_it_lies(record: FakeRecord, kept: bytes | None, what: str, size: int) -> None:
    """The value alone, if that is enough."""
    made = letter(ORIGIN, record, 2_000)
    origin = read_dead_letter(made.headers)
    assert (made.key, made.value, origin.left_out) == (kept, None, size)
    assert (("app", b"x") in made.headers) == (what == "value")
    said = f"{what} too large to be carried: {size} bytes, which lie in ingest 3:17 alone"
    assert origin.detail == f"{ORIGIN.detail}; {said}"


def test_a_letter_that_lacks_an_unknown_number_of_bytes_is_broken() -> None:
    """As somebody else's record may be."""
    for value in (b"", b"many"):
        with pytest.raises(ValueError, match="invalid literal"):
            read_dead_letter([*dead_letter(ORIGIN, []), (LEFT_OUT, value)])


@given(headers, st.integers(0, 7))
def test_a_replay_has_the_headers_of_its_producer_and_says_where_it_lay(
    theirs: list[tuple[str, bytes]], partition: int
) -> None:
    """Of ours only that one, and it counts on its own partition alone."""
    made = replay(ORIGIN, dead_letter(ORIGIN, theirs))
    assert made == [*(h for h in theirs if not h[0].startswith(PREFIX)), (FIRST, b"3:17")]
    assert first_of(made, partition) == (17 if partition == 3 else -1)


def test_a_replay_that_fails_again_names_its_last_place() -> None:
    """That is the record which the dedup may know."""
    again = ORIGIN._replace(offset=40)
    assert first_of(replay(again, dead_letter(again, replay(ORIGIN, dead_letter(ORIGIN, [])))), 3) == 40


@pytest.mark.parametrize("place", [b"", b"3", b"3:", b":17", b"3:-1", b"3:x", b"\xff:1", b"3:" + b"9" * 40])
def test_a_place_that_is_none_counts_for_nothing(place: bytes) -> None:
    """Anybody may set the header."""
    assert first_of([(FIRST, place)], 3) == -1
    assert read_done([(PREFIX + "done", place), (PREFIX + "action", b"replayed")]) is None


def test_the_reference_counts_as_last_header_alone() -> None:
    """As replays have it: looking through all headers of all records would cost more than it is worth."""
    assert first_of([(FIRST, b"3:17"), ("a", b"")], 3) == -1
    assert first_of([], 3) == -1


@pytest.mark.parametrize("what", [Done(ORIGIN.identity, "replayed", "3:90"), Done(Identity(b"", 0, 0), "discarded")])
def test_a_marker_says_what_was_done(what: Done) -> None:
    """And to which letter; it is no dead letter itself."""
    made = done(what)
    assert read_done(made) == what
    with pytest.raises(KeyError):
        read_dead_letter(made)


@pytest.mark.parametrize(("header", "value"), [("action", b"eaten"), ("topic-id", b"xy"), ("done", b"3")])
def test_a_marker_of_another_kind_is_none(header: str, value: bytes) -> None:
    """An action of a later release is left alone, and so is what somebody else made."""
    made = [(name, value if name == PREFIX + header else old) for name, old in done(Done(ORIGIN.identity, "discarded"))]
    assert read_done(made) is None


def test_a_letter_of_the_release_before_is_read() -> None:
    """It has no topic id."""
    made = [header for header in dead_letter(ORIGIN, []) if header[0] != PREFIX + "topic-id"]
    assert read_dead_letter(made) == ORIGIN._replace(topic_id=b"")


def test_a_broken_dead_letter_is_an_error_that_names_it() -> None:
    """A number that is none, as somebody else's record may have."""
    with pytest.raises(ValueError, match="invalid literal"):
        read_dead_letter([(name, b"") for name, _ in dead_letter(ORIGIN, [])])
