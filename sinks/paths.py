"""What `store` decides for a batch: the push records of each notification, one a platform, and its outcome."""

from __future__ import annotations

import logging
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sinks.heads import AccountState
from streams.envelope import Envelope, Push
from streams.outcomes import Outcome
from streams.policies import policies
from streams.stage import Incarnations
from streams.targets import CACHED, DEVICE, PRESENCE, PRESENCE_LIFE_MS, Paths, PlatformPath, Predicate, fit, resolve
from streams.topology import Topology, Wake

#: The platform of devices that hold a socket; it is the first, and needs no token.
SOCKET: Final = "socket"
Target = tuple[str, int, int, int]
log = logging.getLogger(__name__)


class View(NamedTuple):
    """What `store` saw when it decided: an account in Redis, the gateways, the oldest presence (ms) that counts."""

    state: AccountState
    gateways: Incarnations
    oldest: int


class Rules(NamedTuple):
    """What topics.yaml says: the platforms in the order of their numbers, the first being `socket`; how event types
    wake devices, where it is not by their data."""

    platforms: tuple[str, ...]
    wakes: Mapping[str, Wake]


class Route(NamedTuple):
    """How a notification reaches its devices, and how every other of its account that is meant for the same ones does.

    `devices` are all that are targeted; `why` says of each the path, and the presence that decided it.
    """

    devices: tuple[str, ...]
    sockets: tuple[Target, ...]
    others: tuple[Target, ...]
    providers: Mapping[str, Sequence[PlatformPath]]
    why: str


class Plan(NamedTuple):
    """What leaves for one notification: at most one push for each platform, by name, and its outcome."""

    pushes: dict[str, Push]
    outcome: Outcome


def rules_of(topology: Topology) -> Rules:
    """The rules of a topology."""
    wakes = {name: policy.wake for name, policy in policies(topology).items() if policy.wake != "data"}
    return Rules(tuple(topology.platforms), wakes)


def plans(
    envelopes: Sequence[Envelope],
    states: Mapping[tuple[str, int], AccountState],
    gateways: Incarnations,
    rules: Rules,
    now: int,
) -> Iterator[Plan]:
    """A plan for each notification of a batch, at `now` (ms); `states` holds every (account, lane) of it."""
    oldest = now - PRESENCE_LIFE_MS
    routes: dict[tuple[str, int, Predicate, bool], Route] = {}
    for e, prev in zip(envelopes, chained(envelopes, states), strict=True):
        late = now - min(e.deadline, e.expires)
        alike = e.account, e.lane, e.target, late > 0
        route = routes.get(alike)
        if route is None:
            view = View(states[e.account, e.lane], gateways, oldest)
            route = routes[alike] = _route(e, view, rules, late > 0)
        yield Plan(_pushes(e, prev, route, rules), _outcome(e, route, late))


def chained(envelopes: Iterable[Envelope], states: Mapping[tuple[str, int], AccountState]) -> Iterator[int]:
    """`prev` of each notification: the head before the batch, then the notification before it in the batch.

    A head at or above the notification's own position stays: the notification is a copy, and a gateway drops it.
    """
    before: dict[tuple[str, int], int] = {}
    for e in envelopes:
        lane = e.account, e.lane
        yield max(states[lane].prev, before.get(lane, -1))
        before[lane] = e.seq


def _route(e: Envelope, view: View, rules: Rules, late: bool) -> Route:
    """What is too late for a push has its inbox alone, and a number for whoever is online."""
    paths = fit(_paths(e, view))
    providers = {} if late else _providers(paths.platforms, rules)
    sockets, others = tuple(paths.sockets), tuple(paths.others)
    if late:
        sockets, others = (), sockets + others
    return Route(paths.targeted(), sockets, others, providers, _why(paths, providers, view, late))


def _pushes(e: Envelope, prev: int, route: Route, rules: Rules) -> dict[str, Push]:
    pushes: dict[str, Push] = {}
    if route.sockets or route.others:
        payload = e.payload if route.sockets else b""
        pushes[SOCKET] = _push(e, prev, payload, route.sockets, route.others)
    for name, own in route.providers.items():
        push = _push(e, prev, e.payload, tuple((path.device, 0, 0, 0) for path in own))
        push.tokens = tuple(path.token for path in own)
        push.collapse_key = e.collapse_key
        push.wake = rules.wakes.get(e.type, "data")
        if push.wake == "sync":
            push.payload = b""
        pushes[name] = push
    return pushes


def _providers(paths: Sequence[PlatformPath], rules: Rules) -> dict[str, list[PlatformPath]]:
    """The devices that providers wake, by platform; one whose platform is not there has its inbox alone."""
    found: dict[str, list[PlatformPath]] = {}
    for path in paths:
        if 0 < path.platform < len(rules.platforms):
            found.setdefault(rules.platforms[path.platform], []).append(path)
    return found


def _push(e: Envelope, prev: int, payload: bytes, targets: tuple[Target, ...], others: tuple[Target, ...] = ()) -> Push:
    return Push(  # in the order of its fields: by name it takes six times as long
        e.version,
        e.topic_id,
        e.partition,
        e.seq,
        prev,
        e.lane,
        e.account,
        e.events or (e.id,),
        e.type,
        e.time,
        e.deadline,
        e.expires,
        e.content_type,
        payload,
        targets,
        others,
        e.trace,
    )


def _outcome(e: Envelope, route: Route, late: int) -> Outcome:
    if not route.devices:
        return Outcome("no-target", e.account, e.seq, detail="no registered device is meant", lane=e.lane)
    why = f"{route.why}; {late} ms too late for a push" if late > 0 else route.why
    return Outcome("stored", e.account, e.seq, route.devices, why, lane=e.lane)


def _why(paths: Paths, providers: Mapping[str, Sequence[PlatformPath]], view: View, late: bool) -> str:
    online = ", ".join([f"{path.device} (gateway {path.gateway} since {path.epoch})" for path in paths.sockets])
    woken = {path.device for own in providers.values() for path in own}
    away = [*(path.device for path in paths.platforms if path.device not in woken), *paths.inbox]
    offline = ", ".join(
        [f"{device} ({'no room in the push' if device in paths.full else _absence(device, view)})" for device in away]
    )
    if late:
        return f"inbox: {', '.join(filter(None, (online, offline)))}"
    said = [("socket", online), *((name, _named(own, view)) for name, own in providers.items()), ("inbox", offline)]
    return "; ".join([f"{name}: {some}" for name, some in said if some])


def _named(paths: Sequence[PlatformPath], view: View) -> str:
    return ", ".join([f"{path.device} ({_absence(path.device, view)})" for path in paths])


def _absence(device: str, view: View) -> str:
    """Why a device does not count as online."""
    field, presence = device.encode(), view.state.presence
    value = next((value for name, value in pairs(presence) if name == field), None) if presence else None
    if value is None or len(value) != PRESENCE.size:
        return "no presence"
    epoch, gateway, incarnation, _ = PRESENCE.unpack(value)
    if epoch < view.oldest:
        return f"presence of {epoch} is too old"
    lapsed = view.gateways.get(gateway, incarnation) is None
    return f"lease of gateway {gateway} lapsed" if lapsed else f"gateway {gateway} was restarted"


def _paths(e: Envelope, view: View) -> Paths:
    try:
        return resolve(e.target, view.state.devices, view.state.presence, view.gateways, view.oldest)
    except (struct.error, UnicodeDecodeError):
        return _without_corrupt(e.target, e.account, view)


def _without_corrupt(target: Predicate, account: str, view: View) -> Paths:
    """One odd account stops nobody: values that lockstep did not write count as absent."""
    state = view.state
    presence = [
        part for pair in pairs(state.presence) if _readable(pair, PRESENCE.size, PRESENCE.size) for part in pair
    ]
    devices = [part for pair in pairs(state.devices) if _readable(pair, DEVICE.size, sys.maxsize) for part in pair]
    odd = (len(state.presence) + len(state.devices) - len(presence) - len(devices)) // 2
    log.error("account %s has %d values in Redis that cannot be read", account, odd)
    return resolve(target, devices, presence, view.gateways, view.oldest)


def pairs(flat: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    """Fields and values of a flat reply."""
    return zip(flat[::2], flat[1::2], strict=True)


def _readable(pair: tuple[bytes, bytes], least: int, most: int) -> bool:
    field, value = pair
    if field == CACHED:
        return True
    try:
        field.decode()
    except UnicodeDecodeError:
        return False
    return least <= len(value) <= most
