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
from streams.targets import CACHED, DEVICE, PRESENCE, PRESENCE_LIFE_MS, Paths, Predicate, resolve

log = logging.getLogger(__name__)


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
        state = states[e.account, e.lane]
        yield _plan(e, prev, _paths(e, state, gateways, oldest), now)


def chained(envelopes: Iterable[Envelope], states: Mapping[tuple[str, int], AccountState]) -> Iterator[int]:
    """`prev` of each notification: the head before the batch, then the notification before it in the batch.

    A head at or above the notification's own position stays: the notification is a copy, and a gateway drops it.
    """
    before: dict[tuple[str, int], int] = {}
    for e in envelopes:
        lane = e.account, e.lane
        yield max(states[lane].prev, before.get(lane, -1))
        before[lane] = e.seq


def _plan(e: Envelope, prev: int, paths: Paths, now: int) -> Plan:
    late = now - min(e.deadline, e.expires)
    inbox = [*(path.device for path in paths.platforms), *paths.inbox]
    sockets, others = paths.sockets, paths.others
    if late > 0:
        inbox = [*(path.device for path in sockets), *inbox]
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
    return Plan(push, _outcome(e, [path.device for path in sockets], inbox, late))


def _outcome(e: Envelope, sockets: Sequence[str], inbox: Sequence[str], late: int) -> Outcome:
    devices = (*sockets, *inbox)
    if not devices:
        return Outcome("no-target", e.account, e.seq, detail="no registered device is meant", lane=e.lane)
    paths = [f"{name}: {', '.join(some)}" for name, some in (("socket", sockets), ("inbox", inbox)) if some]
    if late > 0:
        paths.append(f"{late} ms too late for a push")
    return Outcome("stored", e.account, e.seq, devices, "; ".join(paths), lane=e.lane)


def _paths(e: Envelope, state: AccountState, gateways: Incarnations, oldest: int) -> Paths:
    try:
        return resolve(e.target, state.devices, state.presence, gateways, oldest)
    except (struct.error, UnicodeDecodeError):
        return _without_corrupt(e.target, e.account, state, gateways, oldest)


def _without_corrupt(
    target: Predicate, account: str, state: AccountState, gateways: Incarnations, oldest: int
) -> Paths:
    """One odd account stops nobody: values that lockstep did not write count as absent."""
    presence = [
        part for pair in pairs(state.presence) if _readable(pair, PRESENCE.size, PRESENCE.size) for part in pair
    ]
    devices = [part for pair in pairs(state.devices) if _readable(pair, DEVICE.size, sys.maxsize) for part in pair]
    odd = (len(state.presence) + len(state.devices) - len(presence) - len(devices)) // 2
    log.error("account %s has %d values in Redis that cannot be read", account, odd)
    return resolve(target, devices, presence, gateways, oldest)


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
