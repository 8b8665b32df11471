"""A model of a device that pulls two lanes of an account while rows are written, in every interleaving.

Pages, cursors and tags are the product's (`PageReader`, `edge.pull.endpoint`); the model supplies rows and heads.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine, Iterator
from typing import Any, Final, NamedTuple, cast

from edge.cursor import Cursor, fingerprint
from edge.item import Limits, Recipient
from edge.pull import tags
from edge.pull.page import Page, PageReader
from sinks.rows import Notification
from tests.models.search import Found, Step, explore
from tests.unit.edge.doubles import row

#: Positions of the rows of each lane, in the order in which they are written.
LANES: Final = ((1, 4, 6), (2, 3, 7))
NAMES: Final = ("high", "low")
_ACCOUNT: Final = "anna"


class Rules(NamedTuple):
    """How pulls work; the defaults are what they do."""

    limit: int = 2  # items of a page
    row_first: bool = True  # a row is written before its head is raised
    heads_first: bool = True  # heads are read before the inbox
    lanes_apart: bool = True  # a cursor has a position for each lane
    tag_of_all: bool = True  # a tag is made of all heads, not of the greatest
    filled: bool = True  # a lane without any row has a head, 0


class Poll(NamedTuple):
    """A page on its way: the heads read before it, and how many rows of the lane each read of the inbox found."""

    heads: tuple[int, ...]
    found: tuple[int, ...] = ()


class World(NamedTuple):
    """All there is: rows and heads by lane, and what the device has."""

    rows: tuple[int, int] = (0, 0)
    raised: tuple[int, int] = (0, 0)
    positions: tuple[int, int] = (0, 0)
    tag: str = ""
    poll: Poll | None = None
    shown: frozenset[int] = frozenset()


class Read(NamedTuple):
    """A read of the inbox."""

    lane: int
    after: int
    upto: int | None
    limit: int

    def rows(self, written: int) -> list[Notification]:
        """Its answer, when so many rows of the lane are written."""
        last = self.upto or max(map(max, LANES))
        seqs = [seq for seq in LANES[self.lane][:written] if self.after < seq <= last]
        return [row(self.lane, seq) for seq in seqs[: self.limit]]


class Waiting(Exception):
    """The page needs one more read of the inbox."""

    def __init__(self, read: Read) -> None:
        self.read = read


class Answered:
    """An inbox that knows the first answers."""

    def __init__(self, found: tuple[int, ...]) -> None:
        self._found = list(found)

    async def read(
        self, account: str, lane: int, after: int, upto: int | None, limit: int, acked: int = -1
    ) -> list[Notification]:
        """As the real reader does."""
        read = Read(lane, after, upto, limit)
        if not self._found:
            raise Waiting(read)
        return read.rows(self._found.pop(0))


def search(rules: Rules) -> Found[World]:
    """All states."""

    def steps(world: World) -> list[Step[World]]:
        return [*_writes(world, rules), *_polls(world, rules)]

    def wrong(world: World, onward: list[Step[World]]) -> Iterator[str]:
        passed = {seq for lane, seqs in enumerate(LANES) for seq in seqs if seq <= world.positions[lane]}
        if passed - world.shown:
            yield "skip"
        if world.poll is None and world.raised == (3, 3) and len(world.shown) < 6 and _is_stuck(world, rules):
            yield "stuck"

    return explore(World(), steps, wrong)


def _writes(w: World, rules: Rules) -> Iterator[Step[World]]:
    first, second = ("row", "head") if rules.row_first else ("head", "row")
    for lane in (0, 1):
        done = {"row": w.rows[lane], "head": w.raised[lane]}
        what = second if done[first] > done[second] else first
        if done[what] < len(LANES[lane]):
            before = w.rows if what == "row" else w.raised
            after = (before[0] + (lane == 0), before[1] + (lane == 1))
            onward = w._replace(rows=after) if what == "row" else w._replace(raised=after)
            yield f"{what} {LANES[lane][done[what]]}", onward


def _heads(w: World, rules: Rules) -> tuple[int, ...]:
    none = 0 if rules.filled else -1
    return tuple(LANES[lane][raised - 1] if raised else none for lane, raised in enumerate(w.raised))


def _tag(heads: tuple[int, ...], rules: Rules) -> str:
    return tags.tag_of(heads if rules.tag_of_all else [max(heads)])


def _cursor(w: World) -> Cursor:
    return Cursor(fingerprint(_ACCOUNT), 0, w.positions)


def _polls(w: World, rules: Rules) -> Iterator[Step[World]]:
    if w.poll is None:
        heads = _heads(w, rules)
        if _is_unchanged(w, heads, rules):
            yield "304", w
        else:
            yield "poll", w._replace(poll=Poll(heads if rules.heads_first else (-1, -1)))
        return
    try:
        page = _page(w, w.poll, rules)
    except Waiting as waiting:
        found = w.rows[waiting.read.lane]
        yield f"reads lane {waiting.read.lane}", w._replace(poll=w.poll._replace(found=(*w.poll.found, found)))
    else:
        yield "page", _taken(w, w.poll, page, rules)


def _is_unchanged(w: World, heads: tuple[int, ...], rules: Rules) -> bool:
    same = w.tag == _tag(heads, rules)
    return same and (not rules.tag_of_all or tags.nothing_above(_cursor(w), heads))


def _page(w: World, poll: Poll, rules: Rules) -> Page:
    """The product's page. Raises Waiting."""
    reader = PageReader(cast(Any, Answered(poll.found)), _ACCOUNT, Recipient("tv", 1, 0), NAMES)
    return _run(reader.read(_cursor(w), poll.heads, Limits(rules.limit, 1 << 20), 0))


def _run(coroutine: Coroutine[Any, Any, Page]) -> Page:
    try:
        coroutine.send(None)
    except StopIteration as done:
        page: Page = done.value
        return page
    raise RuntimeError("it waits for something else")


def _taken(w: World, poll: Poll, page: Page, rules: Rules) -> World:
    heads = poll.heads if rules.heads_first else _heads(w, rules)
    positions = (page.positions[0], page.positions[1])
    if not rules.heads_first and not page.more:
        positions = (max(positions[0], heads[0]), max(positions[1], heads[1]))
    if not rules.lanes_apart:
        positions = (max(positions),) * 2
    shown = w.shown | {int(json.loads(item)["data"]) for item in page.items}
    return w._replace(positions=positions, tag=_tag(heads, rules), poll=None, shown=shown)


def _is_stuck(w: World, rules: Rules) -> bool:
    """Whether polls bring nothing any more, though all is written."""
    for _ in range(20):
        (_, after), *_ = _polls(w, rules)
        if after == w or (after.poll is None and after.shown == w.shown and after._replace(poll=None) == w):
            return True
        if after.shown != w.shown:
            return False
        w = after
    return True
