"""The loads of the benchmarks: what event number n is, and who must show it; pure functions of the number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

#: One type of each lane, none of which merges or replaces another: every event is one row and one push.
LANES: Final[Mapping[str, str]] = {
    "critical": "member.profile.maturity-changed",
    "high": "member.plan.changed",
    "normal": "member.viewing.updated",
    "low": "device.diagnostics.requested",
}
_STALE_S: Final = 7200.0
_encode = msgspec.json.encode


class Home(NamedTuple):
    """A device of every account; whether it is online."""

    id: str
    type: str
    on: bool = True


class Planned(NamedTuple):
    """One event: its attributes beside those that all have, its data, and the devices that must get it."""

    account: int
    type: str
    devices: tuple[str, ...]
    id: int = 0  # a number: its own, or that of the event which it repeats
    data: object = None
    more: Mapping[str, str] = {}
    late: float = 0.0  # seconds by which it is older than its publication
    garbage: bool = False


class Mix(NamedTuple):
    """A load: the devices of each account, and event number n of a load over so many accounts."""

    homes: tuple[Home, ...]
    event: Callable[[int, int], Planned]


def value(planned: Planned, run: str, now: float) -> bytes:
    """The structured CloudEvent of an event that is published at `now` (s)."""
    if planned.garbage:
        return b"\xff\xfe this is no JSON"
    at = datetime.fromtimestamp(now - planned.late, UTC).isoformat()
    attributes: dict[str, Any] = {
        "specversion": "1.0", "id": f"e{planned.id}", "source": "/bench", "type": planned.type,
        "subject": account_name(run, planned.account), "time": at, "datacontenttype": "application/json",
        **planned.more, "data": planned.data,
    }  # fmt: skip
    return _encode(attributes)


def account_name(run: str, account: int) -> str:
    """An account of a run."""
    return f"{run}-{account}"


def _one(types: tuple[str, ...]) -> Callable[[int, int], Planned]:
    def event(number: int, accounts: int) -> Planned:
        account = number // len(types) % accounts
        data = {"profile": 3, "number": number, "changed": ["maturity", "language"]}
        return Planned(account, types[number % len(types)], ("tv",), number, data)

    return event


_EVERYBODY: Final = ("tv", "phone-1", "browser", "phone-2")


def _titles(kind: str, title: int) -> dict[str, dict[str, list[int]]]:
    return {"titles": {kind: [title]}}


#: What the demo shows, in its order; of a later round versions are higher, and that at `_REPEAT` repeats the id of that
#: at `_ORIGINAL`.
_DEMO: Final = (
    Planned(0, "member.viewing.updated", _EVERYBODY[1:], data={"title": 80057281}, more={"origindevice": "tv"}),
    Planned(0, "member.home.refreshed", _EVERYBODY, data={"rows": "new"}),
    Planned(0, "member.plan.changed", _EVERYBODY, data={"plan": "premium"}, more={"version": "2"}),
    Planned(0, "member.list.changed", _EVERYBODY, data=_titles("added", 70143836)),
    Planned(0, "member.list.changed", _EVERYBODY, data=_titles("added", 80057281)),
    Planned(0, "member.list.changed", _EVERYBODY, data=_titles("added", 80192098)),
    Planned(0, "member.list.changed", _EVERYBODY, data=_titles("removed", 80057281)),
    Planned(0, "member.profile.maturity-changed", _EVERYBODY, data={"profile": 3, "maturity": 70}),
    Planned(0, "device.diagnostics.requested", ("tv",), data={"collect": ["network"]}, more={"deviceids": "tv"}),
    Planned(0, "member.viewing.updated", (), data={}, late=_STALE_S),
    Planned(0, "member.list.changed", (), data=_titles("added", 70143836)),
    Planned(0, "member.plan.changed", (), data={"plan": "basic"}, more={"version": "1"}),
    Planned(0, "", (), garbage=True),
    Planned(0, "member.profile.changed", ("phone-2",), data={"name": "Ada"}, more={"deviceids": "phone-2"}),
)
_ORIGINAL: Final = 3
_REPEAT: Final = 10


def _demo(number: int, accounts: int) -> Planned:
    turn, step = divmod(number, len(_DEMO))
    planned = _DEMO[step]
    more = planned.more
    if "version" in more:
        more = {"version": str(int(more["version"]) + 2 * (turn // accounts))}
    id_ = number - step + _ORIGINAL if step == _REPEAT else number
    return planned._replace(account=turn % accounts, more=more, id=id_)


def _each(homes: tuple[Home, ...]) -> Mix:
    one = _one(tuple(LANES.values()))
    return Mix(homes, lambda number, accounts: one(number, accounts)._replace(devices=tuple(h.id for h in homes)))


#: By how many devices an account has, all online: mixes of which each event is a row and a push to all of them.
HOUSES: Final[Mapping[int, str]] = {count: f"devices-{count}" for count in (1, 2, 4, 8)}
#: By how many lanes they pass.
PATHS: Final[Mapping[int, str]] = {1: "critical", 2: "two-lanes", 4: "one"}
_TV: Final = (Home("tv", "tv"),)
_HOUSEHOLD: Final = (*_TV, Home("phone-1", "phone"), Home("browser", "browser"), Home("phone-2", "phone", on=False))
#: `one`: every event is one row and one push, over all lanes in turn; `demo`: what the demo shows; and single lanes.
MIXES: Final[Mapping[str, Mix]] = {
    "one": Mix(_TV, _one(tuple(LANES.values()))),
    "demo": Mix(_HOUSEHOLD, _demo),
    **{lane: Mix(_TV, _one((type_,))) for lane, type_ in LANES.items()},
    PATHS[2]: Mix(_TV, _one((LANES["critical"], LANES["high"]))),
    **{name: _each(tuple(Home(f"tv-{n}", "tv") for n in range(count))) for count, name in HOUSES.items()},
}


class Load(NamedTuple):
    """Events `start` to `stop` of a mix over accounts that no other run has."""

    mix: str
    run: str
    accounts: int
    start: int
    stop: int

    def events(self) -> Iterator[Planned]:
        """The events, in order of their numbers."""
        event = MIXES[self.mix].event
        return (event(number, self.accounts) for number in range(self.start, self.stop))

    def homes(self) -> tuple[Home, ...]:
        """The devices of each account."""
        return MIXES[self.mix].homes

    def names(self) -> list[str]:
        """The accounts."""
        return [account_name(self.run, account) for account in range(self.accounts)]
