"""Heads on a connection to nobody, whose other side is played by the test."""

from __future__ import annotations

import asyncio

import pytest

from sinks.heads import _RAISE, LIFE_S, AccountState, Heads
from sinks.redis import Redis, RedisUnavailable, _scripts, command
from sinks.resp import Connection
from streams import settings
from tests.unit.sinks.test_connection import FakeTransport

LANES = 4
NOTHING = b"$-1\r\n*0\r\n*0\r\n"
HEAD = b"$2\r\n17\r\n"
TV = b"*2\r\n$2\r\ntv\r\n$1\r\n1\r\n"
FOREIGN = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
FORGOTTEN = b"-NOSCRIPT No matching script. Please use EVAL.\r\n"


class Wire:
    """Heads, and the connection that they use."""

    def __init__(self) -> None:
        self.redis = Redis(settings.Redis(timeout=0.5))
        self.heads = Heads(self.redis, LANES)
        self.connect(b"firstlif")

    def connect(self, run_id: bytes) -> None:
        """Another connection, to this life of Redis."""
        self.connection, self.transport = Connection(), FakeTransport()
        self.connection.connection_made(self.transport)
        self.connection.run_id = run_id
        self.redis._use(self.connection)

    async def advance(self, tops: dict[tuple[str, int], int], *says: bytes) -> list[AccountState]:
        """Raise heads; each of what Redis says answers one trip."""
        raising = asyncio.create_task(self.heads.advance(tops))
        for data in says:
            for _ in range(3):
                await asyncio.sleep(0)
            self.connection.data_received(data)
        return await raising


def trip(run_id: bytes, account: str, lane: int, seq: int) -> bytes:
    """The commands of one account as they were written out."""
    name = account.encode()
    raised = _RAISE.call((b"h:{%b}" % name,), run_id + b"%d" % lane, b"%d" % seq, b"%d" % LIFE_S)
    return raised + b"".join(command(b"HGETALL", b"%b:{%b}" % (key, name)) for key in (b"p", b"d"))


async def test_a_trip_raises_each_head_and_then_reads() -> None:
    """Names and positions of any length, of several lanes, of one life of Redis after the other."""
    wire = Wire()
    tops = {("anna", 0): 5, ("bernd", 3): 1 << 62, ("ännä", 0): 17, ("nul\0", 1): 10, ("cora", 0): 7, ("", 0): 1}
    for run_id in (b"firstlif", b"other-li"):
        wire.connect(run_id)
        assert await wire.advance(tops, NOTHING * len(tops)) == [(-1, [], [])] * len(tops)
        assert wire.transport.written == [b"".join(trip(run_id, *place, seq) for place, seq in tops.items())]


async def test_states_are_of_their_class() -> None:
    """Whoever loads devices replaces them by name."""
    (state,) = await Wire().advance({("anna", 0): 20}, HEAD + TV + b"*0\r\n")
    assert state == AccountState(17, [b"tv", b"1"], [])
    assert state._replace(devices=[b"x"]).devices == [b"x"]


async def test_only_accounts_whose_script_was_forgotten_go_again() -> None:
    """All three commands of them, once the scripts are there; a foreign value beside them counts as absent."""
    wire = Wire()
    tops = {("anna", 0): 5, ("ben", 0): 6, ("cora", 0): 7}
    first = FORGOTTEN + TV + TV + HEAD + FOREIGN + TV + FORGOTTEN + b"*0\r\n" + TV
    loaded = b"+OK\r\n" * len(_scripts)
    states = await wire.advance(tops, first, loaded, HEAD + b"*0\r\n" + TV + NOTHING)
    assert states == [(17, [], [b"tv", b"1"]), (17, [], [b"tv", b"1"]), (-1, [], [])]
    assert wire.transport.written[2] == trip(b"firstlif", "anna", 0, 5) + trip(b"firstlif", "cora", 0, 7)


@pytest.mark.parametrize("place", range(3))
async def test_any_other_error_fails_the_trip(place: int) -> None:
    """Of whichever command it is."""
    replies = [HEAD, TV, TV]
    replies[place] = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    with pytest.raises(RedisUnavailable, match="OOM"):
        await Wire().advance({("anna", 0): 5, ("ben", 0): 6}, NOTHING + b"".join(replies))


async def test_a_head_that_is_no_number_is_unknown(caplog: pytest.LogCaptureFixture) -> None:
    """Its neighbours are not."""
    says = HEAD + TV + TV + b"$4\r\nmany\r\n" + TV + TV + NOTHING
    states = await Wire().advance({("anna", 0): 5, ("ben", 0): 6, ("cora", 0): 7}, says)
    assert [state.prev for state in states] == [17, -1, -1]
    assert [record.getMessage() for record in caplog.records] == ["the head of account ben is no number: b'many'"]
