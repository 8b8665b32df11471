"""Heads that are kept until they change: on a connection fed by hand, whatever comes in one piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sinks.heads import Heads
from sinks.redis import Redis, RedisUnavailable, bulk, command
from sinks.resp import Connection
from sinks.tracked import Kept, TrackedHeads
from streams import settings
from tests.unit.sinks.test_connection import FakeTransport
from tests.unit.transport.fake import until

LANES = 2
#: Replies to the questions about one account, and about another one.
FIVE, SIX = b"*2\r\n$1\r\n5\r\n$-1\r\n", b"*2\r\n$1\r\n6\r\n$1\r\n7\r\n"
FLUSHED = b">2\r\n$10\r\ninvalidate\r\n_\r\n"
OTHERWISE = b">2\r\n$7\r\nmessage\r\n*1\r\n$8\r\nh:{anna}\r\n"


def changed(*accounts: str) -> bytes:
    """What Redis says unasked when heads change."""
    keys = [bulk(f"h:{{{account}}}".encode()) for account in accounts]
    return b">2\r\n$10\r\ninvalidate\r\n*%d\r\n" % len(keys) + b"".join(keys)


class Wire:
    """Heads on a connection to nobody, whose other side is played by the test."""

    def __init__(self, tracks: bool = True, most: int = 100) -> None:
        self.kept = Kept(most)
        self.redis = Redis(settings.Redis(timeout=0.05), changed=self.kept.changed)
        self.heads = TrackedHeads(self.redis, Heads(self.redis, LANES), self.kept)
        self.tracks = tracks
        self.connect()

    def connect(self) -> None:
        """Another connection."""
        self.connection, self.transport = Connection(self.kept.changed), FakeTransport()
        self.connection.connection_made(self.transport)
        self.connection.run_id, self.connection.tracks = b"firstlif", self.tracks
        self.redis._use(self.connection)

    async def ask(self, *accounts: str) -> list[asyncio.Future[tuple[int, ...]]]:
        """Ask; the question is on the wire."""
        before = len(self.transport.written)
        asked = [self.heads.ask(account) for account in accounts]
        await until(lambda: len(self.transport.written) > before, "nothing was asked")
        return asked

    def say(self, *data: bytes) -> None:
        """All in one piece."""
        self.connection.data_received(b"".join(data))


async def test_an_answer_is_known_until_its_heads_change() -> None:
    """Others stay; names need not be ASCII."""
    wire = Wire()
    assert wire.heads.known("ännä") is None
    asked = await wire.ask("ännä", "ben")
    wire.say(FIVE, SIX)
    assert await asyncio.gather(*asked) == [(5, -1), (6, 7)]
    assert (wire.heads.known("ännä"), wire.heads.known("ben")) == ((5, -1), (6, 7))
    wire.say(changed("ännä", "another"))
    assert (wire.heads.known("ännä"), wire.heads.known("ben")) == (None, (6, 7))
    wire.say(FLUSHED)
    assert wire.heads.known("ben") is None


@pytest.mark.parametrize(
    "data", [(FIVE, changed("anna")), (FIVE, changed("ben", "anna")), (FIVE, FLUSHED), (FIVE, changed("x"), FLUSHED)]
)
async def test_an_answer_that_has_changed_before_it_could_be_kept_is_not(data: tuple[bytes, ...]) -> None:
    """Both came in one piece: who asked is told, the next one asks again."""
    wire = Wire()
    (asked,) = await wire.ask("anna")
    wire.say(*data)
    assert await asked == (5, -1)
    assert wire.heads.known("anna") is None
    (again,) = await wire.ask("anna")
    wire.say(SIX)
    assert await again == wire.heads.known("anna") == (6, 7)


@pytest.mark.parametrize("data", [(FIVE, changed("ben")), (changed("ben"), FIVE), (FIVE, OTHERWISE)])
async def test_what_is_said_of_others_leaves_an_answer_as_it_is(data: tuple[bytes, ...]) -> None:
    """Also what is said unasked of something else."""
    wire = Wire()
    (asked,) = await wire.ask("anna")
    wire.say(*data)
    assert await asked == wire.heads.known("anna") == (5, -1)


@pytest.mark.parametrize("turns", range(4))
async def test_an_answer_of_a_connection_that_is_lost_is_not_kept(turns: int) -> None:
    """However far it had come; nor does anything of that connection stay."""
    wire = Wire()
    (early,) = await wire.ask("ben")
    wire.say(SIX)
    await early
    (asked,) = await wire.ask("anna")
    wire.say(FIVE)
    for _ in range(turns):
        await asyncio.sleep(0)
    wire.connection.connection_lost(None)
    wire.redis._lose()
    wire.connect()
    assert await asked == (5, -1)
    assert len(wire.kept) == 0


async def test_what_was_asked_on_a_lost_connection_is_not_kept_from_the_next_one() -> None:
    """It waited for its trip meanwhile."""
    wire = Wire()
    asked = wire.heads.ask("anna")
    wire.redis._lose()
    wire.tracks = False
    wire.connect()
    await until(lambda: bool(wire.transport.written), "nothing was asked")
    wire.say(FIVE)
    assert await asked == (5, -1)
    assert wire.heads.known("anna") is None


async def test_an_older_answer_does_not_pass_for_a_newer_one() -> None:
    """The heads changed between two questions, and the first answer is still on its way to who asked."""
    wire = Wire()
    (first,) = await wire.ask("anna")
    wire.say(FIVE, changed("anna"))
    (second,) = await wire.ask("anna")
    assert await first == (5, -1)
    assert wire.heads.known("anna") is None
    wire.say(SIX)
    assert await second == wire.heads.known("anna") == (6, 7)


async def test_a_question_without_an_answer_leaves_nothing_behind() -> None:
    """No answer in time, and one who asked and went away."""
    wire = Wire()
    gone, asked = await wire.ask("ben", "anna")
    gone.cancel()
    with pytest.raises(RedisUnavailable):
        await asked
    assert wire.transport.aborted
    assert not wire.kept._asked
    assert len(wire.kept) == 0


async def test_where_redis_does_not_track_it_is_asked_each_time() -> None:
    """Nothing would tell of a change."""
    wire = Wire(tracks=False)
    for reply in (FIVE, SIX):
        (asked,) = await wire.ask("anna")
        wire.say(reply)
        await asked
        assert wire.heads.known("anna") is None


async def test_accounts_that_were_asked_for_the_longest_ago_give_way() -> None:
    """The memory is bounded."""
    wire = Wire(most=2)
    for account in ("anna", "ben", "carl"):
        (asked,) = await wire.ask(account)
        wire.say(FIVE)
        await asked
    assert [wire.heads.known(account) for account in ("anna", "ben", "carl")] == [None, (5, -1), (5, -1)]


def _silent(wire: Wire) -> None:
    pass


def _demoted(wire: Wire) -> None:
    wire.say(bulk(b"# Replication\r\nrole:slave\r\n"))


def _master(wire: Wire) -> None:
    wire.say(bulk(b"# Replication\r\nrole:master\r\n"))


def _refused(wire: Wire) -> None:
    wire.say(b"-NOPERM no\r\n")


@pytest.mark.parametrize(
    ("answer", "dropped"), [(_silent, True), (_demoted, True), (_master, False), (_refused, False)]
)
async def test_a_connection_that_tells_of_no_change_any_more_is_dropped(
    answer: Callable[[Wire], None], dropped: bool
) -> None:
    """Its server is silent, or has become a replica: that is looked at all the time."""
    wire = Wire()
    watching = asyncio.create_task(wire.heads.watch(0.001))
    await until(lambda: command(b"INFO", b"replication") in wire.transport.written, "nobody looks")
    answer(wire)
    looks = len(wire.transport.written)
    await until(lambda: wire.transport.aborted or len(wire.transport.written) > looks, "nobody looks again")
    assert wire.transport.aborted == dropped
    watching.cancel()
    wire.redis._lose()
    await wire.redis.check()  # of no connection
