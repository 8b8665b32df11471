"""A model of one account, one lane, one device: store, Redis, the network and a connection, in every interleaving.

The gateway's decisions are the product's: `Sessions.push`, `Session` and `paths.chained`; the model supplies what is
around them. `Rules` holds the rules of the road; a mutant has one of them otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from edge.auth.identity import Identity
from edge.cursor import Cursor, fingerprint
from edge.protocol import Session, Sessions, State
from sinks.heads import AccountState
from sinks.paths import chained
from sinks.wire import Note
from tests.models.search import Found, Step, explore
from tests.unit.edge.doubles import FakeLink, note
from tests.unit.sinks.make import envelope

_ME: Final = Identity("tv", "anna", "tv", 0.0)
_UNKNOWN: Final = -1
ORDER: Final = ("row", "head", "presence")


class Rules(NamedTuple):
    """How the system works; the defaults are what it does."""

    order: tuple[str, ...] = ORDER  # of what `store` does for a notification
    chained: bool = True  # a push carries the head before it
    run_id: bool = True  # a head of another life of Redis is unknown
    register_first: bool = True  # a device registers, then reads
    ignore_heads_at_hello: bool = True
    replay: bool = True  # after an outage `store` begins again at its commit, and commits nothing meanwhile
    recovery_syncs: bool = True  # a session that was registered again reads its inbox
    sweep: bool = True
    sweep_unknown: bool = True  # unknown heads count as behind, once in a life of Redis
    fill: str = "guarded"  # unknown heads become the end of what a session read: never, guarded, always


class World(NamedTuple):
    """All there is. Notifications are numbered from 1; masks have bit n for notification n."""

    rows: int = 0
    head: int = 0
    head_run: int = -1  # the life of Redis that the head is of; before the first event nobody knows it
    present: bool = False
    run: int = 0
    away: bool = False
    n: int = 1  # what store works on, and which of its steps is next
    step: int = 0
    prev: int = _UNKNOWN
    commit: int = 1
    dirty: bool = False  # something was stored without Redis
    split: bool = False  # store talks to the former life of Redis, where the device is known as `former`
    former: bool = False
    net: tuple[tuple[int, int], ...] = ()  # pushes on their way: number, prev
    phase: str = "off"  # off, register, begin, heads, rows, check, live
    greeted: bool = False
    settled: bool = False  # when the round began, every store had met this life of Redis
    registered: int = -1  # life of Redis that knows the session, -1 after it lost it
    heads: int = _UNKNOWN  # as the session read it
    position: int = 0
    missed: int = 0
    again: bool = False
    swept: int = -1  # life of Redis of the last sweep
    shown: int = 0
    used: frozenset[str] = frozenset()

    def known(self, rules: Rules) -> int:
        """The head that Redis tells."""
        if self.head_run < 0 or (rules.run_id and self.head_run != self.run):
            return _UNKNOWN
        return self.head


def search(rules: Rules, faults: frozenset[str], last: int = 2) -> Found[World]:
    """All states of `last` notifications, each fault happening once at most."""

    def steps(world: World) -> list[Step[World]]:
        parts = (_store, _redis, _network, _device, _session)
        return [step for part in parts for step in part(world, rules, faults, last)]

    def wrong(world: World, onward: list[Step[World]]) -> Iterator[str]:
        unseen = [n for n in range(1, last + 1) if not world.shown >> n & 1]
        if any(n <= world.position for n in unseen):
            yield "skip"
        quiet = all(label.startswith("!") for label, _ in onward)
        if quiet and world.phase == "live" and unseen:
            yield "gap"
        if quiet and world.known(rules) >= 0 and world.known(rules) < last:
            yield "low head"

    return explore(World(), steps, wrong)


def _may(world: World, fault: str, faults: frozenset[str]) -> bool:
    return fault in faults and fault not in world.used


def _store(w: World, rules: Rules, faults: frozenset[str], last: int) -> Iterator[Step[World]]:
    if w.split or (w.dirty and not w.away):
        again: dict[str, Any] = {"n": w.commit, "step": 0} if rules.replay else {}
        yield "store meets another Redis", w._replace(**again, dirty=False, split=False)
    if w.n <= last and not (w.dirty and not w.away):
        yield from _store_step(w, rules)
        if _may(w, "flap", faults) and rules.order[w.step] == "presence" and w.present and not w.away:
            yield "! presence is overlooked", _next(w, rules)._replace(used=w.used | {"flap"})
    if not w.step and w.commit < w.n and not (w.dirty and rules.replay):
        yield "store commits", w._replace(commit=w.n)
    if _may(w, "crash", faults) and (w.n > w.commit or w.step):
        yield "! store crashes", w._replace(n=w.commit, step=0, dirty=False, used=w.used | {"crash"})


def _next(w: World, rules: Rules) -> World:
    done = w.step == len(rules.order) - 1
    return w._replace(n=w.n + done, step=0 if done else w.step + 1)


def _store_step(w: World, rules: Rules) -> Iterator[Step[World]]:
    what = rules.order[w.step]
    onward = _next(w, rules)
    if what == "row":
        yield f"row {w.n}", onward._replace(rows=w.rows | 1 << w.n)
    elif w.away:
        yield f"{what} {w.n}: Redis is away", onward._replace(prev=_UNKNOWN, dirty=True)
    elif w.split:
        pushed = w.former and what == "presence"
        yield f"{what} {w.n} in the former life", onward._replace(net=(*w.net, (w.n, w.n - 1)) if pushed else w.net)
    elif what == "head":
        found = w.known(rules)
        yield f"head {w.n}", onward._replace(head=max(found, w.n), head_run=w.run, prev=found)
    else:
        sent = (*w.net, (w.n, _prev_of(w, rules))) if w.present else w.net
        yield f"presence {w.n}: {w.present}", onward._replace(net=sent)


def _prev_of(w: World, rules: Rules) -> int:
    """By the product's rule. A mutant's push is always the next one."""
    if not rules.chained:
        return 0
    before = w.prev if rules.order.index("head") < rules.order.index("presence") else w.known(rules)
    e = envelope(account="anna")
    (prev,) = chained([e], {(e.account, e.lane): AccountState(before, [], [])})
    return prev


def _redis(w: World, rules: Rules, faults: frozenset[str], last: int) -> Iterator[Step[World]]:
    lost: dict[str, Any] = {"present": False, "registered": -1}
    if _may(w, "restart", faults):
        yield "! Redis restarts", w._replace(**lost, run=w.run + 1, used=w.used | {"restart"})
    if _may(w, "failover", faults):
        for older in range(w.head):
            yield (
                f"! Redis falls back to {older}",
                w._replace(**lost, head=older, run=w.run + 1, used=w.used | {"failover"}),
            )
    if _may(w, "split", faults) and not w.away:
        split = w._replace(**lost, former=w.present, split=True, run=w.run + 1, used=w.used | {"split"})
        yield "! another Redis is master, and store has not heard of it", split
    if _may(w, "flush", faults) and not w.away:
        yield "! Redis is flushed", w._replace(**lost, head=0, head_run=-1, used=w.used | {"flush"})
    if _may(w, "away", faults):
        yield "! Redis is away", w._replace(away=True, used=w.used | {"away"})
    if w.away:
        yield "Redis is there again", w._replace(away=False)
        yield "! another Redis is there", w._replace(**lost, away=False, run=w.run + 1)


def _network(w: World, rules: Rules, faults: frozenset[str], last: int) -> Iterator[Step[World]]:
    for place, (number, prev) in enumerate(w.net[:2]):
        rest = w.net[:place] + w.net[place + 1 :]
        if place and not _may(w, "late", faults):
            break
        used = w.used | {"late"} if place else w.used
        yield (
            f"push {number} arrives",
            _arrive(w._replace(net=rest, used=used), note(0, prev, number, "tv", account="anna")),
        )
    if w.net and _may(w, "lose", faults):
        yield f"! push {w.net[0][0]} is lost", w._replace(net=w.net[1:], used=w.used | {"lose"})


def _arrive(w: World, pushed: Note) -> World:
    sessions, session = _session_of(w)
    sessions.push([pushed], 0)
    if session is None:
        return w
    shown = w.shown | 1 << pushed.seq if session.positions[0] > w.position else w.shown
    phase = "begin" if w.phase == "live" and session.state is State.SYNC else w.phase
    return _keep(w, session)._replace(shown=shown, phase=phase)


def _session_of(w: World) -> tuple[Sessions, Session | None]:
    """The product's session, as it stands in this state."""
    sessions = Sessions(("lane",))
    if w.phase in ("off", "register"):
        return sessions, None
    cursor = Cursor(fingerprint(_ME.account), 0, (w.position,))
    session, _ = sessions.open(_ME, cursor, FakeLink())
    session.state = State.LIVE if w.phase == "live" else State.SYNC
    session.missed = {0: w.missed} if w.missed else {}
    session.again = w.again
    return sessions, session


def _keep(w: World, session: Session) -> World:
    return w._replace(position=session.positions[0], missed=session.missed.get(0, 0), again=session.again)


def _device(w: World, rules: Rules, faults: frozenset[str], last: int) -> Iterator[Step[World]]:
    fresh: dict[str, Any] = {"greeted": True, "missed": 0, "again": False}
    if w.phase == "off":
        yield "the device says hello", w._replace(**fresh, phase="register" if rules.register_first else "begin")
    if w.phase == "register" and not w.away:
        after = "begin" if rules.register_first else "live"
        yield "it is registered", w._replace(present=True, registered=w.run, phase=after)
    elif w.phase == "register":
        yield "it is sent away", w._replace(phase="off")
    if w.phase not in ("off", "register") and _may(w, "die", faults):
        gone = w._replace(phase="off", used=w.used | {"die"})
        yield "! the connection ends", gone._replace(present=False) if not w.away else gone
    if w.phase not in ("off", "register") and w.registered == -1 and not w.away and rules.register_first:
        yield "it is registered again", _recovered(w._replace(present=True, registered=w.run), rules)


def _recovered(w: World, rules: Rules) -> World:
    """As `Gateway.sync` does."""
    if not rules.recovery_syncs:
        return w
    return w._replace(again=True, phase="begin" if w.phase == "live" else w.phase)


def _session(w: World, rules: Rules, faults: frozenset[str], last: int) -> Iterator[Step[World]]:
    """As `Backlog` reads, and as `Sweep` looks; a split is over when a sweep comes round."""
    _, session = _session_of(w)
    if session is None:
        return
    if w.phase == "begin":
        session.begin_round()
        yield "a round begins", _keep(w, session)._replace(phase="heads", settled=not w.split)
    elif w.phase == "heads":
        yield "it reads the head", w._replace(phase="rows", heads=_UNKNOWN if w.away else w.known(rules))
    elif w.phase == "rows":
        yield "it reads the inbox", _read(w, session, rules, last)
    elif w.phase == "check":
        yield from _check(w, session, rules)
    elif w.phase == "live" and rules.sweep and not w.away:
        found = w.known(rules)
        unknown = found < 0 and w.swept != w.run and rules.sweep_unknown and not w.split
        if session.is_below((found,)) or unknown:
            yield "a sweep syncs it", w._replace(swept=w.run, again=True, phase="begin")


def _read(w: World, session: Session, rules: Rules, last: int) -> World:
    shown, full = w.shown, (w.greeted and rules.ignore_heads_at_hello) or w.heads < 0
    if full or w.heads > w.position:
        for number in range(w.position + 1, (last if full else w.heads) + 1):
            if w.rows >> number & 1:
                shown |= 1 << number
                session.move(0, number)
        session.move(0, w.heads)
    return _keep(w, session)._replace(shown=shown, phase="check")


def _check(w: World, session: Session, rules: Rules) -> Iterator[Step[World]]:
    done = w._replace(greeted=False, phase="begin" if session.is_behind() else "live")
    if not rules.register_first and w.registered < 0 and done.phase == "live":
        done = done._replace(phase="register")
    filled = _fill(w, done, rules)
    yield "the round ends", filled


def _fill(w: World, done: World, rules: Rules) -> World:
    """An unknown head becomes the end of what a session has read; not before every store has met this life of Redis."""
    guarded = w.settled and w.present and not w.again and w.registered == w.run
    if w.away or w.heads >= 0 or rules.fill == "never" or w.known(rules) >= 0:
        return done
    if rules.fill == "guarded" and not guarded:
        return done
    return done._replace(head=w.position, head_run=w.run)
