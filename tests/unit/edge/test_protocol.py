"""The gateway's rules: every state, every push, every ack."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge import cursor as cursors
from edge.cursor import BadCursor, Cursor
from edge.protocol import MOST_FRAMES, MOST_OUT, Range, Session, Sessions, State, backlog_frame
from tests.unit.edge.doubles import LANES, ME, NOW, FakeLink, note, row, texts

MS = NOW * 1000


def live(*positions: int, lanes: tuple[str, ...] = LANES) -> tuple[Sessions, Session, FakeLink]:
    """A live session at these positions."""
    sessions, link = Sessions(lanes), FakeLink()
    start = Cursor(cursors.fingerprint("alice"), NOW, positions or (0,) * len(lanes))
    session, replaced = sessions.open(ME, start, link)
    assert replaced is None
    link.sessions, link.session = sessions, session
    session.state = State.LIVE
    return sessions, session, link


@pytest.mark.parametrize(
    ("prev", "seq", "status", "state", "position"),
    [
        (10, 11, 200, State.LIVE, 11),  # the next
        (4, 11, 200, State.LIVE, 11),  # nothing between, which the device has
        (0, 11, 200, State.LIVE, 11),
        (9, 10, 200, State.LIVE, 10),  # a copy
        (3, 4, 200, State.LIVE, 10),
        (11, 12, 503, State.SYNC, 10),  # a hole
        (-1, 11, 503, State.SYNC, 10),  # unknown
        (-1, 10, 200, State.LIVE, 10),  # unknown, but a copy
    ],
)
def test_a_push_to_a_live_session(prev: int, seq: int, status: int, state: State, position: int) -> None:
    """prev <= position < seq delivers, seq <= position is a copy, anything else turns to sync."""
    sessions, session, link = live(0, 10, 0, 0)
    assert sessions.push([note(1, prev, seq, "tv")], MS) == [status]
    assert (session.state, session.positions[1]) == (state, position)
    delivered = position == seq and seq > 10
    assert link.items() == ([seq] if delivered else [])
    assert link.resyncs == (state is State.SYNC)


def test_a_batch_with_a_position_that_is_none_moves_nothing() -> None:
    """Neither what stood before it in the batch, nor later what comes then."""
    sessions, session, link = live(0, 10, 0, 0)
    with pytest.raises(OverflowError):
        sessions.push([note(1, 10, 11, "tv"), note(1, 11, -2, "tv")], MS)
    assert (session.positions[1], link.data) == (10, b"")
    sessions.push([note(1, 10, 11, "tv")], MS)
    assert link.items() == [11]


def test_a_push_while_the_session_reads_is_refused_and_remembered() -> None:
    """It asks for another round unless the inbox gives the number meanwhile; a copy does not."""
    sessions, session, link = live(0, 10, 0, 0)
    session.state = State.SYNC
    assert sessions.push([note(1, 10, 11, "tv"), note(1, 9, 10, "tv"), note(0, 0, 5, "tv")], MS) == [503, 200, 503]
    assert link.data == b""
    assert link.resyncs == 0
    assert session.is_behind()
    session.move(1, 11)
    assert session.is_behind()
    session.move(0, 7)
    assert not session.is_behind()
    session.again = True
    assert session.is_behind()
    session.begin_round()
    assert not session.is_behind()


def test_the_cursor_of_a_frame_is_that_behind_it() -> None:
    """Spliced: the same as encoding the session's positions."""
    sessions, session, link = live(1, 2, 3, 4)
    assert sessions.push([note(2, 3, 9, "tv"), note(0, 1, 5, "tv")], MS) == [200, 200]
    fingerprint = cursors.fingerprint("alice")
    assert [each["item"]["cursor"] for each in texts(link.data)] == [
        cursors.encode(Cursor(fingerprint, NOW, (1, 2, 9, 4))),
        cursors.encode(Cursor(fingerprint, NOW, (5, 2, 9, 4))),
    ]
    assert session.positions == [5, 2, 9, 4]


def test_a_row_of_the_inbox_has_the_frame_of_a_push() -> None:
    """With the cursor of the session behind it."""
    _, session, _ = live(1, 2, 3, 4)
    session.move(2, 9)
    [message] = texts(backlog_frame(session, row(2, 9), LANES, cursors.encode_as_of(NOW)))
    cursor = cursors.encode(Cursor(cursors.fingerprint("alice"), NOW, (1, 2, 9, 4)))
    assert (message["type"], message["item"]["data"], message["item"]["cursor"]) == ("notification", 9, cursor)


def test_others_and_notes_whose_life_is_over_only_move_the_position() -> None:
    """No frame is needed; the next one's cursor has them."""
    sessions, session, link = live()
    assert sessions.push([note(0, 0, 5, "nobody", others=("tv",)), note(0, 5, 6, "tv", expires=MS)], MS) == [
        404,
        200,
        200,
    ]
    assert session.positions[0] == 6
    assert link.data == b""
    assert sessions.push([note(0, 9, 10, "nobody", others=("tv",))], MS) == [404, 503]
    assert session.state is State.SYNC
    assert sessions.counts.missing == 2
    assert sessions.counts.expired == 1


def test_what_a_batch_has_for_a_device_leaves_in_one_write() -> None:
    """In the order of the notes; what came before a hole too."""
    sessions, _, link = live()
    assert sessions.push([note(0, 0, 1, "tv"), note(1, 0, 2, "tv"), note(0, 5, 6, "tv")], MS) == [200, 200, 503]
    assert link.writes == 1
    assert link.items() == [1, 2]


def test_a_device_that_does_not_read_is_given_no_more_of_a_batch() -> None:
    """However much the batch has for it: the rest is in its inbox, and its neighbour gets all."""
    sessions, session, link = live()
    link.sessions, link.session, link.pause_after = sessions, session, 64 * 1024
    other = FakeLink()
    beside, _ = sessions.open(ME._replace(device="pad"), Cursor(cursors.fingerprint("alice"), NOW, (0, 0, 0, 0)), other)
    beside.state = State.LIVE
    large = [replace(note(0, n, n + 1, "tv", "pad"), payload=b'"%b"' % (b"x" * 1000)) for n in range(1000)]
    statuses = sessions.push(large, MS)
    taken = statuses[::2].index(503)
    assert statuses == [200, 200] * taken + [503, 200] * (1000 - taken)
    assert 64 * 1024 < len(link.data) < 64 * 1024 + 2 * MOST_OUT
    assert session.state is State.SYNC
    assert session.missed == {0: 1000}
    assert len(other.data) > 1_000_000


def test_a_batch_of_very_many_short_frames_leaves_in_writes_that_say_how_many() -> None:
    """So that a device that does not read is noticed before more than so many wait."""
    sessions, session, link = live()
    short = [note(0, n, n + 1, "tv") for n in range(2 * MOST_FRAMES + 7)]
    assert len(b"".join(each.payload for each in short)) < MOST_OUT // 2
    frames, bytes_ = MOST_FRAMES, MOST_OUT
    assert set(sessions.push(short, MS)) == {200}
    assert sum(link.counts) == len(link.items()) == 2 * frames + 7
    assert max(link.counts) <= frames
    assert len(link.data) / link.writes < bytes_ + 1000
    assert (session.out, session.frames) == (b"", 0)


def test_pushes_go_to_the_account_they_are_for() -> None:
    """Device ids of two accounts may be the same; a lane of a newer release is refused."""
    sessions, session, _ = live()
    assert sessions.push([note(0, 0, 1, "tv", account="bob"), note(4, 0, 1, "tv")], MS) == [404, 503]
    assert session.state is State.LIVE


def test_a_second_session_replaces_the_first() -> None:
    """Leaving is only ever one's own."""
    sessions, first, link = live()
    second, replaced = sessions.open(ME, None, FakeLink())
    assert replaced is first
    assert first.is_gone()
    sessions.leave(first)
    assert sessions.all() == [second]
    assert sessions.push([note(0, 0, 1, "tv")], MS) == [503]
    assert link.data == b""
    sessions.leave(second)
    assert len(sessions) == 0
    assert sessions.push([note(0, 0, 1, "tv")], MS) == [404]


def test_a_slow_session_is_turned_once() -> None:
    """Only a live one."""
    sessions, session, link = live()
    link.pause_after = 0
    assert sessions.push([note(0, 0, 1, "tv")], MS) == [200]
    assert session.state is State.SYNC
    assert not sessions.slow(session)
    assert sessions.push([note(0, 1, 2, "tv")], MS) == [503]
    assert sessions.counts.slow == 1


def text(*positions: int, account: str = "alice") -> str:
    """A cursor."""
    return cursors.encode(Cursor(cursors.fingerprint(account), NOW, positions))


def test_an_ack_adds_ranges_and_never_takes_back() -> None:
    """One for each lane that moved."""
    _, session, _ = live(5, 5, 5, 5)
    assert session.acknowledge(text(9, 5, 1, 7)) == [Range(0, 5, 9), Range(3, 5, 7)]
    assert session.acknowledge(text(9, 5, 1, 7)) == []
    assert session.acknowledge(text(8, 6, 5, 7)) == [Range(1, 5, 6)]
    assert session.acked == (9, 6, 5, 7)
    assert session.positions == [5, 5, 5, 5]
    for bad in ("", "nonsense", text(9, 9, 9, 9, account="bob")):
        with pytest.raises(BadCursor):
            session.acknowledge(bad)


def test_a_position_is_never_lowered() -> None:
    """Whatever the inbox or a head says."""
    _, session, _ = live(5, 5, 5, 5)
    session.move(2, 4)
    session.move(2, -1)
    assert session.positions == [5, 5, 5, 5]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=40), st.data())
def test_whatever_is_lost_late_or_doubled_nothing_is_jumped_over(
    events: list[tuple[int, bool, bool]], data: st.DataObject
) -> None:
    """A chain of pushes with losses and repeats: what was delivered is a prefix of each lane, in order, once."""
    sessions, session, link = live()
    heads = [0, 0, 0, 0]
    sent: list[list[int]] = [[], [], [], []]
    pushes = []
    for number, (lane, lost, doubled) in enumerate(events, 1):
        sent[lane].append(number)
        pushes += [note(lane, heads[lane], number, "tv")] * (0 if lost else 1 + doubled)
        heads[lane] = number
    for at in range(0, len(pushes), 3):
        sessions.push(data.draw(st.permutations(pushes[at : at + 3])), MS)
        session.state = State.LIVE  # as if there were no inbox
    lanes = {number: lane for lane in range(4) for number in sent[lane]}
    got = link.items()
    for lane in range(4):
        mine = [number for number in got if lanes[number] == lane]
        assert mine == sent[lane][: len(mine)]
        assert session.positions[lane] == (mine[-1] if mine else 0)


def test_a_session_is_below_any_head_above_it() -> None:
    """An unknown head is above nobody."""
    _, session, _ = live(1, 2, 3, 4)
    assert not session.is_below((1, 2, 3, 4))
    assert not session.is_below((-1, -1, -1, -1))
    assert session.is_below((0, 0, 0, 5))
