"""Mistakes of the edge: cursors, ETags and chained pushes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.mutants.registry import mutant, replace

PULLS = "tests/models/test_pulls.py::test_every_row_is_shown_once"


@mutant("tests/unit/edge/test_protocol.py::test_a_push_to_a_live_session")
def push_without_its_chain() -> None:
    """A push above the position is delivered whatever came before it."""
    _unchained()


@mutant("tests/models/test_no_gap.py::test_a_lost_push_is_never_jumped_over")
def lost_push_jumped_over() -> None:
    """The same, met by what it does: the position passes a push that was lost."""
    _unchained()


@mutant(PULLS)
def one_cursor_for_all_lanes() -> None:
    """The highest position of any lane counts for all."""
    from edge import cursor

    original = cursor.decode

    def decode(text: str, lanes: int) -> cursor.Cursor:
        found = original(text, lanes)
        return found._replace(positions=(max(found.positions),) * lanes)

    replace(cursor, "decode", decode)


@mutant(PULLS)
def etag_by_the_maximum() -> None:
    """Nothing is new while the greatest head over all lanes stands."""
    from edge.pull import endpoint as pull

    def tag(heads: Sequence[int]) -> str:
        return f'"{max(heads):x}"'

    def nothing_above(cursor: Any, heads: Sequence[int]) -> bool:
        return 0 <= max(heads) <= int(max(cursor.positions))

    replace(pull, "tag_of", tag)
    replace(pull, "nothing_above", nothing_above)


@mutant(PULLS)
def position_moves_to_a_later_head() -> None:
    """The heads are read after the rows, so that a position may pass rows that were written in between."""
    from edge import stores
    from edge.pull import endpoint as pull
    from edge.pull import page

    made, read = pull.Pull.__init__, page.PageReader.read
    heads: list[Any] = []

    def remember(self: Any, settings: Any, topology: Any, opened: Any, *rest: Any) -> None:
        heads.append(opened.heads)
        made(self, settings, topology, opened, *rest)

    async def late(self: Any, cursor: Any, before: Sequence[int], limits: Any, now: int, *, full: bool = False) -> Any:
        found = await read(self, cursor, before, limits, now, full=full)
        after = await stores.read_heads(heads[-1], self._account, len(before))
        positions = tuple(max(pair) for pair in zip(found.positions, after, strict=True))
        return found if found.more else found._replace(positions=positions)

    replace(pull.Pull, "__init__", remember)
    replace(page.PageReader, "read", late)


def _unchained() -> None:
    from edge import protocol

    original = protocol.Sessions._next

    def ignorant(self: Any, note: Any, device: str) -> Any:
        from msgspec.structs import replace as changed

        return original(self, changed(note, prev=0), device)

    replace(protocol.Sessions, "_next", ignorant)
