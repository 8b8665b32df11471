"""The search index: found again after a restart, dropped with its topic, bounded, and honest about what it covers."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import pytest

from edge.console.index import shelf as shelves
from edge.console.index import store
from edge.console.index.segments import open_segment
from edge.console.index.shelf import Bounds
from edge.console.index.store import Index, Place
from edge.console.index.words import word, words_of_event, words_of_outcomes
from streams.outcomes import Outcome, encode_outcomes
from streams.transport.client import RawRecord

ID = b"12345678"
OTHER = b"87654321"
MOST = 1 << 30


def event(offset: int, id_: str, at: int = 1000) -> RawRecord:
    """A record of `ingest` in structured mode."""
    return RawRecord(offset, at, b"a", b'{"specversion":"1.0","id":"%b","data":{"id":7}}' % id_.encode(), [])


def said(offset: int, *pairs: tuple[str, str], at: int = 1000) -> RawRecord:
    """A record of `outcomes` about these accounts and devices."""
    outcomes = [Outcome("pushed", account, offset, (device,)) for account, device in pairs]
    return RawRecord(offset, at, b"a", encode_outcomes("push", at, outcomes), [])


def opened(directory: Path, topic_id: bytes = ID, partitions: int = 2, most: int = MOST) -> Index:
    """An index whose partitions hold nothing that was looked at."""
    index = Index(directory, partitions, most)
    for topic in (store.INGEST, store.OUTCOMES):
        index.open(topic, topic_id)
    return index


def look(index: Index, high: int, low: int = 0) -> None:
    """All partitions hold these offsets."""
    for topic in (store.INGEST, store.OUTCOMES):
        index.look(topic, dict.fromkeys(range(2), Bounds(low, high)))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers are written soon."""
    monkeypatch.setattr(store, "FLUSH_POSTINGS", 10)


def test_what_was_taken_is_found_newest_first(tmp_path: Path) -> None:
    """In the buffer, and on disk; by each kind of word, and by none of another kind."""
    index = opened(tmp_path)
    look(index, 100)
    index.take("ingest", [(0, event(4, "x")), (1, event(5, "y")), (0, event(6, "x"))])
    index.take("outcomes", [(1, said(9, ("anna", "tv"), ("anna", "tv"), ("ben", "phone")))])
    for _ in range(2):
        assert index.find("event", "x", 10) == [Place(0, 6), Place(0, 4)]
        assert index.find("event", "x", 1) == [Place(0, 6)]
        assert index.find("event", "x", 10, partition=1) == []
        assert index.find("account", "anna", 10) == index.find("device", "phone", 10) == [Place(1, 9)]
        assert index.find("account", "tv", 10) == index.find("event", "anna", 10) == []
        index.close()


def test_a_restart_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """Nothing is read twice, and nothing was forgotten."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(offset, f"e{offset}")) for offset in range(25)])
    index.settle()
    index.close()
    again = opened(tmp_path)
    look(again, 25)
    assert again.starts("ingest") == {0: 25, 1: 0}
    assert all(again.find("event", f"e{offset}", 3) == [Place(0, offset)] for offset in range(25))


def test_after_a_crash_only_the_buffer_is_read_again(tmp_path: Path) -> None:
    """What is read again is there once."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(offset, "x")) for offset in range(10)])
    index.settle()
    index.take("ingest", [(0, event(10, "x"))])
    again = opened(tmp_path)
    look(again, 11)
    assert again.starts("ingest")[0] == 10
    again.take("ingest", [(0, event(offset, "x")) for offset in range(8, 11)])
    assert again.find("event", "x", 20) == [Place(0, offset) for offset in reversed(range(11))]


def test_a_topic_that_was_made_anew_begins_anew(tmp_path: Path) -> None:
    """Files of the other topic are deleted; those of the topic beside it stay."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(1, "x"))])
    index.take("outcomes", [(0, said(1, ("anna", "tv")))])
    index.close()
    again = Index(tmp_path, 2, MOST)
    again.open("ingest", OTHER)
    again.open("outcomes", ID)
    look(again, 2)
    assert again.find("event", "x", 5) == []
    assert again.find("account", "anna", 5) == [Place(0, 1)]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_topic_that_became_shorter_is_read_again(tmp_path: Path) -> None:
    """Its partition is named; the others go on."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(offset, "x")) for offset in range(5)])
    index.close()
    moved = index.look("ingest", {0: Bounds(2, 3), 1: Bounds(0, 0)})
    assert moved == {0: 2}
    assert index.find("event", "x", 5) == []
    assert index.starts("ingest")[0] == 2


def test_what_retention_removed_is_not_found(tmp_path: Path) -> None:
    """A segment goes once all of its records are gone; before that they are left out."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(offset, "x")) for offset in range(10)])
    index.close()
    look(index, 10, low=7)
    assert [place.offset for place in index.find("event", "x", 20)] == [9, 8, 7]
    assert len(list(tmp_path.iterdir())) == 1
    look(index, 10, low=10)
    assert index.find("event", "x", 20) == []
    assert list(tmp_path.iterdir()) == []


def test_the_bound_drops_the_oldest_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is covered begins later then, also after a restart."""
    monkeypatch.setattr(shelves, "LARGEST", 16)
    index = opened(tmp_path, most=600)
    for offset in range(100):
        index.take("ingest", [(0, event(offset, f"e{offset}", at=1000 + offset))])
        index.settle()
    look(index, 100)
    state = index.state(5000)
    assert state.nbytes <= 600
    assert state.since > 1000
    assert index.find("event", "e99", 1)
    assert not index.find("event", "e0", 1)
    index.close()
    again = opened(tmp_path, most=600)
    look(again, 100)
    assert again.state(5000).since == state.since


def test_how_far_behind_it_is(tmp_path: Path) -> None:
    """Records that are not covered, over both topics, and until when all of them are."""
    index = opened(tmp_path)
    assert index.state(5000).behind == 0
    look(index, 10)
    assert index.state(5000)[:3] == (5000, 0, 40)
    index.take("ingest", [(0, event(offset, "x", at=2000 + offset)) for offset in range(10)])
    index.take("ingest", [(1, event(9, "x", at=1500))])
    index.take("outcomes", [(each, said(9, ("a", "b"), at=3000)) for each in range(2)])
    assert index.state(5000)[:3] == (1500, 5000, 0)
    index.look("ingest", {0: Bounds(0, 15), 1: Bounds(0, 10)})
    assert index.state(5000)[:3] == (1500, 2009, 5)


def test_a_file_that_is_not_whole_is_read_anew(tmp_path: Path) -> None:
    """Cut by a crash of the machine, or of another release, or left half written."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(offset, "x")) for offset in range(3)])
    index.take("ingest", [(1, event(offset, "y")) for offset in range(3)])
    index.close()
    cut, strange = sorted(tmp_path.iterdir())
    cut.write_bytes(cut.read_bytes()[:-3])
    strange.write_bytes(b"?" * 10)
    (tmp_path / "ingest.0.5-6.new").write_bytes(b"")
    again = opened(tmp_path)
    assert again.starts("ingest") == {0: 0, 1: 0}
    assert list(tmp_path.iterdir()) == []


def test_before_a_hole_nothing_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that somebody deleted between others makes the older ones worthless: they would pass for whole."""
    monkeypatch.setattr(shelves, "LARGEST", 0)
    index = opened(tmp_path)
    for offset in range(3):
        index.take("ingest", [(0, event(offset, "x"))])
        index.close()
    sorted(tmp_path.iterdir())[1].unlink()
    again = opened(tmp_path)
    look(again, 3)
    assert again.find("event", "x", 5) == [Place(0, 2)]


def test_joined_segments_that_a_crash_left_beside_their_parts(tmp_path: Path) -> None:
    """The parts are deleted, nothing is found twice."""
    index = opened(tmp_path)
    index.take("ingest", [(0, event(0, "x"))])
    index.close()
    (part,) = tmp_path.iterdir()
    kept = part.read_bytes()
    index.take("ingest", [(0, event(1, "x"))])
    index.close()
    (whole,) = tmp_path.iterdir()
    part.write_bytes(kept)
    again = opened(tmp_path)
    look(again, 2)
    assert again.find("event", "x", 5) == [Place(0, 1), Place(0, 0)]
    assert list(tmp_path.iterdir()) == [whole]
    assert open_segment(whole).span.end == 2


def test_segments_stay_few(tmp_path: Path) -> None:
    """Random records against a dictionary: all are found, in a number of files that rises with the logarithm."""
    chance = random.Random(7)
    index = opened(tmp_path)
    look(index, 10_000)
    expected: dict[str, list[int]] = defaultdict(list)
    for offset in range(3000):
        id_ = f"e{chance.randrange(500)}"
        expected[id_].append(offset)
        index.take("ingest", [(0, event(offset, id_))])
        index.settle()
    for id_, offsets in expected.items():
        assert [place.offset for place in index.find("event", id_, 9999)] == offsets[::-1]
    assert len(list(tmp_path.iterdir())) < 15


def test_words_of_records_that_hold_none() -> None:
    """What cannot be read has no words; what is no event may still have an id."""
    headers = [("ce_id", b"b1")]
    assert words_of_event(RawRecord(0, 0, None, b"x", headers)) == [word("event", "b1")]
    assert words_of_event(RawRecord(0, 0, None, b'{"id":"","x":1}', [])) == []
    assert words_of_event(RawRecord(0, 0, None, b"\xff", [])) == words_of_event(RawRecord(0, 0, None, None, [])) == []
    assert words_of_event(RawRecord(0, 0, None, b'{"id":"s","subject":5}', [])) == [word("event", "s")]
    assert words_of_outcomes(RawRecord(0, 0, None, b"\xc1", [])) == []
