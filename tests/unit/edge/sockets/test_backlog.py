"""From a cursor to live: order, rounds, slow devices, stores that fail, connections that end on the way."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edge import cursor as cursors
from edge.protocol import Session, Sessions, State
from edge.sockets import backlog, messages
from edge.sockets.backlog import PAGE, Backlog
from edge.sockets.terms import Terms
from edge.stores import Stores, type_bits
from sinks.devices import Device
from streams.targets import Predicate
from tests.unit.edge.doubles import LANES, ME, NOW, FakeLease, FakeLink, note, row, texts
from tests.unit.edge.stores import FakeHeads, FakeInbox, FakePresence, FakeRegistry
from tests.unit.fakes import shipped_topology

TERMS = Terms(55, 64, messages.Limits(16384, 100.0, 1000.0))


class Scene:
    """A session, its connection and the stores."""

    def __init__(self) -> None:
        self.sessions = Sessions(LANES)
        self.inbox, self.heads, self.registry, self.presence = FakeInbox(), FakeHeads(), FakeRegistry(), FakePresence()
        self.link = FakeLink(self.sessions)
        self.session, _ = self.sessions.open(ME, None, self.link)
        self.link.session = self.session
        parts = (self.registry, self.inbox, self.heads, self.presence, FakeLease())
        bits = type_bits(shipped_topology())
        self.backlog = Backlog(self.sessions, Stores(*cast(Any, parts)), bits, lambda: float(NOW))

    def push(self, lane: int, prev: int, seq: int) -> list[int]:
        """A push to the device."""
        return self.sessions.push([note(lane, prev, seq, "tv")], NOW * 1000)

    async def greet(self) -> Session:
        """The whole way."""
        await self.backlog.greet(self.session, self.link, TERMS)
        return self.session


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Nothing stored; what is tried again is tried again at once."""
    monkeypatch.setattr(backlog, "_RETRY_S", (0.0, 0.0))
    return Scene()


async def test_the_order_of_a_greeting(scene: Scene) -> None:
    """Presence, welcome, all lanes whatever the heads say, higher ones first, then the end of the sync."""
    scene.inbox.rows = [row(2, 5), row(0, 9), row(2, 7)]
    scene.heads.heads = (0, 0, 0, 0)
    session = await scene.greet()
    assert scene.link.types() == ["welcome", *["notification"] * 3, "sync_end"]
    assert scene.link.items() == [9, 5, 7]
    assert scene.presence.registered == [-1]
    assert session.epoch == 100
    assert session.state is State.LIVE
    assert [(lane, upto) for lane, _, upto in scene.inbox.reads] == [(lane, None) for lane in range(4)]
    assert session.positions == [9, 0, 7, 0]
    assert texts(scene.link.data)[0]["session"] == "3-7-64"


async def test_a_later_sync_reads_only_lanes_whose_head_is_above(scene: Scene) -> None:
    """Up to the head; an unknown head means to where the rows end; a head without rows moves the position."""
    scene.session.positions = [5, 5, 5, 5]
    scene.heads.heads = (5, 8, -1, 4)
    scene.inbox.rows = [row(1, 7), row(1, 9), row(2, 6)]
    await scene.backlog.read(scene.session, scene.link)
    assert [(lane, upto) for lane, _, upto in scene.inbox.reads] == [(1, 8), (2, None)]
    assert scene.link.items() == [7, 6]
    assert scene.session.positions == [5, 8, 6, 5]


async def test_heads_that_cannot_be_read_are_unknown(scene: Scene) -> None:
    """The inbox is read instead."""
    scene.heads.away = True
    scene.inbox.rows = [row(3, 6)]
    await scene.backlog.read(scene.session, scene.link)
    assert scene.link.items() == [6]
    assert scene.session.state is State.LIVE


async def test_a_push_during_the_reading_asks_for_another_round(scene: Scene) -> None:
    """Its row is there, and it is not delivered twice."""

    def meanwhile() -> None:
        scene.inbox.hook = None
        scene.inbox.rows.append(row(0, 9))
        scene.heads.heads = (9, -1, -1, -1)

    scene.inbox.rows = [row(3, 5)]
    reads = 0

    def hook() -> None:
        nonlocal reads
        reads += 1
        if reads == 3:  # lane 0 was read already
            meanwhile()
            assert scene.push(0, 0, 9) == [503]

    scene.inbox.hook = hook
    await scene.greet()
    assert scene.link.items() == [5, 9]
    assert scene.link.types().count("sync_end") == 1
    assert scene.push(0, 0, 9) == [200]
    assert scene.push(0, 9, 12) == [200]
    assert scene.link.items() == [5, 9, 12]


async def test_a_session_that_falls_behind_is_told_from_where_it_reads_on(scene: Scene) -> None:
    """With `sync`, which no backlog after a hello begins with; it may fall behind again and again."""
    scene.inbox.rows = [row(0, 9)]
    await scene.greet()
    assert scene.link.types() == ["welcome", "notification", "sync_end"]
    end = texts(scene.link.data)[-1]["cursor"]
    scene.inbox.rows = [row(0, 9), row(0, 11)]
    assert scene.push(0, 10, 11) == [503]
    await scene.backlog.read(scene.session, scene.link)
    *_, sync, item, last = texts(scene.link.data)
    assert (sync["type"], sync["cursor"]) == ("sync", end)
    assert (item["item"]["data"], last["type"]) == (11, "sync_end")


async def test_what_is_sent_in_a_sync_is_as_of_what_the_device_had(scene: Scene) -> None:
    """A device that goes in the middle of it has not seen what follows, which may be as old."""

    def times() -> list[tuple[str, int, bool]]:
        found = [(each["type"], each.get("cursor") or each["item"]["cursor"]) for each in texts(scene.link.data)[1:]]
        read = [(kind, cursors.decode(text, 4)) for kind, text in found]
        return [(kind, cursor.as_of, cursor.middle) for kind, cursor in read]

    scene.inbox.rows = [row(0, 9), row(2, 10)]
    scene.session.as_of = NOW - 86_400
    await scene.greet()
    assert scene.push(1, 0, 11) == [200]
    old, new = NOW - 86_400, NOW
    begun = [("notification", old, True)] * 2 + [("sync_end", new, False), ("notification", new, False)]
    assert times() == begun
    scene.session.as_of = NOW - 60
    scene.inbox.rows = [row(0, 15)]
    assert scene.push(0, 14, 15) == [503]
    await scene.backlog.read(scene.session, scene.link)
    again = [("sync", NOW - 60, False), ("notification", NOW - 60, True), ("sync_end", new, False)]
    assert times() == begun + again


@pytest.mark.parametrize("head", [-1, 0, 4])
async def test_a_cursor_above_the_heads_is_believed(scene: Scene, head: int) -> None:
    """It was read before its head was raised, or heads were lost and made anew of fewer rows; what comes is above."""
    scene.inbox.rows = [row(0, 4), row(0, 9)]
    scene.heads.heads = (head, -1, -1, -1)
    scene.session.positions[0] = 9
    session = await scene.greet()
    assert (scene.link.items(), session.positions[0]) == ([], 9)
    assert scene.push(0, 4, 12) == [200]
    assert scene.link.items() == [12]


async def test_a_fresh_start_is_as_of_its_beginning(scene: Scene) -> None:
    """The device has loaded the whole state by then."""
    scene.inbox.rows = [row(0, 9)]
    session = await scene.greet()
    assert session.as_of == NOW
    items = [each["item"]["cursor"] for each in texts(scene.link.data) if each["type"] == "notification"]
    assert [cursors.decode(text, 4).as_of for text in items] == [NOW]


async def test_a_push_whose_row_was_just_read_asks_for_nothing(scene: Scene) -> None:
    """Its number is at or below the position when the round ends."""
    scene.inbox.rows = [row(0, 9)]
    scene.inbox.hook = lambda: scene.push(0, 0, 9)
    await scene.greet()
    assert len(scene.inbox.reads) == 4
    assert scene.link.items() == [9]


async def test_rows_of_others_and_rows_that_are_over_only_move(scene: Scene) -> None:
    """By the registry's word of now."""
    scene.registry.device = Device("tv", "tv", "2.0")
    scene.inbox.rows = [
        row(0, 1, Predicate(types=2)),
        row(0, 2, Predicate(ids=("phone",))),
        row(0, 3, Predicate(least=2 << 20)),
        row(0, 4, expires=NOW * 1000),
        row(0, 5, Predicate(origin="tv")),
    ]
    session = await scene.greet()
    assert scene.link.items() == [3]
    assert session.positions[0] == 5


async def test_a_device_type_of_a_newer_release_is_of_no_type_here(scene: Scene) -> None:
    """A rollout may bring its socket to an edge that does not know it: what is for all types is for it too."""
    scene.registry.device = Device("tv", "watch", "1.0")
    scene.inbox.rows = [row(0, 1, Predicate(types=2)), row(0, 2)]
    session = await scene.greet()
    assert (scene.link.items(), session.positions[0], session.state) == ([2], 2, State.LIVE)


async def test_a_long_backlog_goes_in_pages(scene: Scene) -> None:
    """An exact page is followed by an empty one."""
    scene.inbox.rows = [row(0, seq) for seq in range(1, 2 * PAGE + 1)]
    await scene.greet()
    assert scene.link.items() == list(range(1, 2 * PAGE + 1))
    assert [after for lane, after, _ in scene.inbox.reads if lane == 0] == [0, PAGE, 2 * PAGE]


async def test_a_slow_device_gets_no_more_until_it_reads(scene: Scene) -> None:
    """What it has not taken is dropped and read again: nothing is missing, nothing comes twice."""
    scene.inbox.rows = [row(0, seq, size=5000) for seq in range(1, 40)]
    scene.link.pause_after = 30_000
    session = await scene.greet()
    assert scene.link.items() == list(range(1, 40))
    assert scene.link.drains > 1
    assert session.state is State.LIVE


async def test_a_device_that_is_slow_at_the_end_of_the_sync_is_not_live(scene: Scene) -> None:
    """Pushes would pile up behind what it does not read."""
    scene.link.pause_after = 200  # the welcome fits, the end of the sync does not
    session = await scene.greet()
    assert scene.link.types()[-1] == "sync_end"
    assert session.state is State.SYNC


async def test_cassandra_away_is_waited_for(scene: Scene) -> None:
    """The connection stays; the reading goes on where it stopped, all lanes of it."""
    scene.inbox.rows = [row(0, 1), row(3, 2)]
    scene.inbox.failures = 3
    session = await scene.greet()
    assert scene.link.items() == [1, 2]
    assert session.state is State.LIVE
    assert scene.link.closed == []


async def test_a_hello_without_stores_is_sent_away(scene: Scene) -> None:
    """Without presence it would wait for nothing."""
    scene.registry.away = True
    await scene.greet()
    assert scene.link.closed == [messages.UNAVAILABLE]
    assert scene.link.data == b""


async def test_a_device_that_is_not_registered_is_sent_away(scene: Scene) -> None:
    """At the hello, and at a later sync."""
    device = scene.registry.device
    scene.registry.device = None
    await scene.greet()
    assert scene.link.closed == [messages.UNKNOWN_DEVICE]
    scene.session.state = State.SYNC
    await scene.backlog.read(scene.session, scene.link)
    assert scene.link.closed == [messages.UNKNOWN_DEVICE] * 2
    assert device is not None


async def test_a_connection_that_ends_while_it_registers_leaves_no_presence(scene: Scene) -> None:
    """What was written meanwhile is removed."""

    def end() -> None:
        scene.session.state = State.GONE

    scene.presence.hook = end
    await scene.greet()
    assert scene.presence.removed == [100]
    assert scene.link.data == b""


async def test_a_connection_that_ends_while_it_reads_stops_the_reading(scene: Scene) -> None:
    """Also while Cassandra is away."""

    def end() -> None:
        scene.session.state = State.GONE

    scene.inbox.hook = end
    scene.inbox.failures = 1
    await scene.greet()
    assert len(scene.inbox.reads) == 1
    assert scene.link.types() == ["welcome"]


async def test_registering_again_keeps_the_epoch(scene: Scene) -> None:
    """And gives way to a newer connection."""
    session = await scene.greet()
    assert await scene.backlog.register(session, scene.link) is not None
    assert scene.presence.registered == [-1, 100]
    scene.presence.newer = True
    assert await scene.backlog.register(session, scene.link) is None
    assert scene.link.closed == [messages.REPLACED]
    await scene.backlog.unregister(session)
    assert scene.presence.removed == []


async def test_unknown_heads_become_the_ends_of_what_was_read(scene: Scene) -> None:
    """Of a row, or 0 where a lane without any was read from its beginning."""
    scene.inbox.rows = [row(1, 5), row(1, 7), row(2, 8)]
    scene.heads.heads, scene.heads.life = (-1, -1, 8, -1), b"one"
    await scene.greet()
    assert scene.heads.filled == [(100, b"one", {0: 0, 1: 7, 3: 0})]


async def test_what_a_device_claims_becomes_no_head(scene: Scene) -> None:
    """Its cursor may be above every row of its account, for which others wait."""
    scene.heads.life = b"one"
    scene.session.positions = [9, 9, 9, 9]
    scene.inbox.rows = [row(1, 5), row(2, 11)]
    await scene.greet()
    assert scene.heads.filled == [(100, b"one", {2: 11})]


async def test_no_heads_are_made_in_a_life_that_is_not_settled(scene: Scene) -> None:
    """Nor when the session was registered again meanwhile: Redis had lost more than its presence."""
    await scene.greet()
    scene.heads.life = b"one"
    scene.session.state = State.SYNC

    def lost() -> None:
        scene.session.again = len(scene.inbox.reads) == 8

    scene.inbox.hook = lost
    await scene.backlog.read(scene.session, scene.link)
    assert scene.heads.filled == [(100, b"one", {0: 0, 1: 0, 2: 0, 3: 0})]
    assert len(scene.inbox.reads) == 12


async def test_heads_that_cannot_be_made_are_left(scene: Scene) -> None:
    """Redis is away: the session is live all the same."""
    scene.heads.life, scene.heads.away = b"one", True
    session = await scene.greet()
    assert (session.state, scene.heads.filled) == (State.LIVE, [])
