"""Pages of a pull: whatever the limits, a device that follows the cursor sees each of its rows once, in order."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import cursor as cursors
from edge.cursor import Cursor
from edge.item import Limits, Recipient
from edge.pull.page import PageReader
from streams.targets import EVERY, Predicate
from tests.unit.edge.doubles import LANES, NOW, row
from tests.unit.edge.stores import FakeInbox

NOBODY = Predicate(ids=("other",))
START = Cursor(cursors.fingerprint("alice"), NOW, (0, 0, 0, 0))
ME = Recipient("tv", 1, 0)
MANY = Limits(1000, 1 << 20)


def reader(inbox: FakeInbox) -> PageReader:
    """Of the one account."""
    return PageReader(cast(Any, inbox), "alice", ME, LANES)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 300)), max_size=60),
    st.integers(1, 9),
    st.integers(200, 2000),
    st.tuples(*[st.booleans()] * 4),
)
@pytest.mark.asyncio
async def test_following_the_cursor_shows_everything_once(
    rows: list[tuple[int, bool, int]], limit: int, size: int, known: tuple[bool, ...]
) -> None:
    """Also from the cursor of any item; heads known or not."""
    inbox = FakeInbox(
        [row(lane, seq, EVERY if mine else NOBODY, size=fill) for seq, (lane, mine, fill) in enumerate(rows, 1)]
    )
    tops = [max((r.seq for r in inbox.rows if r.lane == lane), default=0) for lane in range(4)]
    heads = [top if there else -1 for top, there in zip(tops, known, strict=True)]
    expected = [r.seq for lane in range(4) for r in inbox.rows if r.lane == lane and r.target is EVERY]
    cursor, got, more = START, [], True
    while more:
        page = await reader(inbox).read(cursor, heads, Limits(limit, size), NOW * 1000)
        items = [json.loads(item) for item in page.items]
        assert len(items) <= limit
        assert len(items) <= 1 or sum(map(len, page.items)) <= size
        got += [item["data"] for item in items]
        for item in items:
            middle = cursors.decode(item["cursor"], 4)
            rest = await reader(inbox).read(middle, heads, MANY, NOW * 1000)
            assert [json.loads(each)["data"] for each in rest.items] == expected[expected.index(item["data"]) + 1 :]
        assert page.more is False or page.positions != cursor.positions
        cursor, more = cursor._replace(positions=page.positions), page.more
    assert got == expected
    assert cursor.positions == tuple(tops)


async def test_only_lanes_with_something_above_are_read() -> None:
    """A head at or below the position costs no read; one above without rows moves the position."""
    inbox = FakeInbox([row(2, 8)])
    cursor = START._replace(positions=(5, 5, 5, 5))
    page = await reader(inbox).read(cursor, (5, 4, 8, 9), MANY, NOW * 1000)
    assert [lane for lane, _, _ in inbox.reads] == [2, 3]
    assert page.positions == (5, 5, 8, 9)
    assert not page.more


async def test_a_page_ends_after_many_rows_of_others() -> None:
    """A request reads a bounded number of rows."""
    inbox = FakeInbox([row(0, seq, NOBODY) for seq in range(1, 2000)])
    page = await reader(inbox).read(START, (1999, 0, 0, 0), Limits(10, 1 << 20), NOW * 1000)
    assert (page.items, page.more) == ([], True)
    assert page.positions[0] == 80


@pytest.mark.asyncio
async def test_a_full_read_does_not_believe_the_heads() -> None:
    """A row above a head that stands too low is found; the heads move the cursor all the same."""
    inbox = FakeInbox([row(1, 5, EVERY)])
    cursor, heads = START._replace(positions=(3, 3, 3, 3)), (9, 3, 3, 3)
    plain = await reader(inbox).read(cursor, heads, MANY, NOW * 1000)
    assert (plain.items, plain.positions) == ([], (9, 3, 3, 3))
    full = await reader(inbox).read(cursor, heads, MANY, NOW * 1000, full=True)
    assert (len(full.items), full.positions) == (1, (9, 5, 3, 3))
