"""The crash points that are swept: which process dies where, at which visit, and how it is brought there."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from streams.failpoints import Point

#: work: it comes there while it handles the load; start: while it starts, after another one was killed under load;
#: revoke: when a second process joins its group under load.
Way = Literal["work", "start", "revoke"]


class Crash(NamedTuple):
    """A process (a worker, or the edge) dies when it comes to a point for the `visit`-th time."""

    member: str
    point: Point
    visit: int
    way: Way = "work"

    def __str__(self) -> str:
        return f"{self.member}@{self.point}"


#: Every point at least once. The crashes of a row are of different processes: a short sweep has them at one time.
ROWS: Final = (
    (
        Crash("router", "route.decoded", 4),
        Crash("critical", "notify.decoded", 4),
        Crash("high", "notify.produced", 4),
        Crash("normal", "store.decoded", 4),
        Crash("low", "store.produced", 4),
        Crash("edge", "gateway.taken", 8),
    ),
    (
        Crash("router", "table.judged", 4),
        Crash("critical", "store.written", 4),
        Crash("high", "store.raised", 4),
        Crash("normal", "push.decoded", 4),
        Crash("low", "push.posted", 4),
        Crash("edge", "edge.reporting", 20),
    ),
    (
        Crash("router", "table.logged", 4),
        Crash("critical", "transport.polled", 4),
        Crash("high", "transport.produced", 4),
        Crash("normal", "commit.begun", 1),
        Crash("low", "commit.flushed", 1),
    ),
    (
        Crash("router", "route.produced", 4),
        Crash("critical", "commit.done", 1),
        Crash("high", "rebalance.revoked", 1, "revoke"),
        Crash("normal", "rebalance.seeking", 1, "start"),
        Crash("low", "recovery.read", 3, "start"),
    ),
)
#: What all workers have in common, at the one that has the most to lose by it.
ROUTER: Final = (
    Crash("router", "transport.polled", 8),
    Crash("router", "transport.produced", 12),
    Crash("router", "commit.begun", 2),
    Crash("router", "commit.flushed", 2),
    Crash("router", "commit.done", 2),
    Crash("router", "rebalance.revoked", 1, "revoke"),
    Crash("router", "rebalance.seeking", 1, "start"),
    Crash("router", "recovery.read", 10, "start"),
)


def one_by_one() -> list[tuple[Crash, ...]]:
    """Each crash alone and further into the load, for loads that are long enough for it."""
    return [(crash._replace(visit=_later(crash)),) for row in (*ROWS, ROUTER) for crash in row]


def _later(crash: Crash) -> int:
    return crash.visit * 5 if crash.visit > 3 else crash.visit
