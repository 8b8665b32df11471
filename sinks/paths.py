"""What `store` decides for a batch: the push record of each notification, and its outcome."""

from __future__ import annotations

import logging
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sinks.heads import AccountState
from streams.envelope import Envelope, Push
from streams.outcomes import Outcome
from streams.stage import Incarnations
from streams.targets import CACHED, DEVICE, PRESENCE, PRESENCE_LIFE_MS, Paths, Predicate, SocketPath, resolve

log = logging.getLogger(__name__)


class View(NamedTuple):
    """What `store` saw when it decided: an account in Redis, the gateways, the oldest presence (ms) that counts."""

    state: AccountState
    gateways: Incarnations
    oldest: int


class Plan(NamedTuple):
    """What leaves for one notification: a push for the platform `socket`, if any device is online, and its outcome."""

    push: Push | None
    outcome: Outcome


def plans(
    envelopes: Sequence[Envelope],
    states: Mapping[tuple[str, int], AccountState],
    gateways: Incarnations,
    now: int,
) -> Iterator[Plan]:
    """A plan for each notification of a batch, at `now` (ms); `states` holds every (account, lane) of it."""
    oldest = now - PRESENCE_LIFE_MS
    for e, prev in zip(envelopes, chained(envelopes, states), strict=True):
        view = View(states[e.account, e.lane], gateways, oldest)
        yield _plan(e, prev, view, now)


def chained(envelopes: Iterable[Envelope], states: Mapping[tuple[str, int], AccountState]) -> Iterator[int]:
    """`prev` of each notification: the head before the batch, then the notification before it in the batch.

    A head at or above the notification's own position stays: the notification is a copy, and a gateway drops it.
    """
    before: dict[tuple[str, int], int] = {}
    for e in envelopes:
        lane = e.account, e.lane
        yield max(states[lane].prev, before.get(lane, -1))
        before[lane] = e.seq


def _plan(e: Envelope, prev: int, view: View, now: int) -> Plan:
    paths = _paths(e, view)
    late = now - min(e.deadline, e.expires)
    inbox = [*(path.device for path in paths.platforms), *paths.inbox]
    sockets, others = paths.sockets, paths.others
    outcome = _outcome(e, sockets, inbox, view, late)
    if late > 0:
        sockets, others = [], sockets + others
    push = None
    if sockets or others:
        push = Push(
            version=e.version,
            topic_id=e.topic_id,
            partition=e.partition,
            seq=e.seq,
            prev=prev,
            lane=e.lane,
            account=e.account,
            events=e.events or (e.id,),
            type=e.type,
            time=e.time,
            deadline=e.deadline,
            expires=e.expires,
            content_type=e.content_type,
            payload=e.payload if sockets else b"",
            targets=tuple(sockets),
            others=tuple(others),
            trace=e.trace,
        )
    return Plan(push, outcome)


def _outcome(e: Envelope, sockets: Sequence[SocketPath], inbox: Sequence[str], view: View, late: int) -> Outcome:
    """What `stored` says: the path of each device, and the presence that decided it."""
    devices = (*(path.device for path in sockets), *inbox)
    if not devices:
        return Outcome("no-target", e.account, e.seq, detail="no registered device is meant", lane=e.lane)
    online = ", ".join([f"{path.device} (gateway {path.gateway} since {path.epoch})" for path in sockets])
    offline = ", ".join([f"{device} ({_absence(device, view)})" for device in inbox])
    if late > 0:
        both = ", ".join(filter(None, (online, offline)))
        return Outcome(
            "stored", e.account, e.seq, devices, f"inbox: {both}; {late} ms too late for a push", lane=e.lane
        )
    paths = [f"{name}: {some}" for name, some in (("socket", online), ("inbox", offline)) if some]
    return Outcome("stored", e.account, e.seq, devices, "; ".join(paths), lane=e.lane)


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
