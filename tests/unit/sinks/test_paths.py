"""What store decides for each notification of a batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.heads import AccountState
from sinks.paths import Plan, Rules, chained, plans, rules_of
from streams import sizes
from streams.envelope import Envelope, Push, encode
from streams.outcomes import Outcome
from streams.stage import Incarnations
from streams.targets import DEVICE, PRESENCE_LIFE_MS, Predicate
from tests.unit.fakes import NOW, at, shipped_topology
from tests.unit.sinks.make import Flat, envelope, online, registered

RULES = Rules(("socket", "apns", "fcm", "webpush"), {})
FLEET = registered(tv=1, phone=4)
ALIVE: Incarnations = {5: 1}
ONLINE = f"socket: tv (gateway 5 since {NOW - 1000}); inbox: phone (no presence)"


def _plan(
    e: Envelope, *, devices: Flat = FLEET, presence: Flat | None = None, gateways: Incarnations = ALIVE, prev: int = 3
) -> Plan:
    state = AccountState(at(prev), online("tv") if presence is None else presence, devices)
    (made,) = plans([e], {(e.account, e.lane): state}, gateways, RULES, NOW)
    return made


def _socket(e: Envelope, **changes: Any) -> tuple[Push | None, Outcome]:
    made = _plan(e, **changes)
    assert made.pushes.keys() <= {"socket"}
    return made.pushes.get("socket"), made.outcome


def test_a_device_that_is_online_gets_a_push_and_one_that_is_not_its_inbox() -> None:
    """The push record holds all that a gateway needs; the outcome names every targeted device and its path."""
    e = envelope(4, trace="trace")
    push, outcome = _socket(e)
    assert push is not None
    assert (push.seq, push.prev, push.events, push.payload, push.trace) == (
        at(4),
        at(3),
        ("event-4",),
        e.payload,
        "trace",
    )
    assert tuple(map(tuple, push.targets)) == (("tv", 5, 1, NOW - 1000),)
    assert push.others == ()
    assert (outcome.kind, outcome.devices, outcome.detail) == ("stored", ("tv", "phone"), ONLINE)


def test_a_device_that_is_online_but_not_meant_gets_the_number() -> None:
    """Its position moves on, and the payload stays away from it."""
    push, outcome = _socket(envelope(4, target=Predicate(types=4)))
    assert push is not None
    assert (push.targets, push.payload) == ((), b"")
    assert [other[0] for other in push.others] == ["tv"]
    assert outcome.devices == ("phone",)


@pytest.mark.parametrize("late", ["deadline", "expires"])
def test_a_push_that_is_too_late_is_a_number(late: str) -> None:
    """By the wall clock; the row has been written all the same."""
    push, outcome = _socket(envelope(4, **{late: NOW - 7}))
    assert push is not None
    assert (push.targets, push.payload, [other[0] for other in push.others]) == ((), b"", ["tv"])
    assert (outcome.kind, outcome.devices) == ("stored", ("tv", "phone"))
    assert outcome.detail == (
        f"inbox: tv (gateway 5 since {NOW - 1000}), phone (no presence); 7 ms too late for a push"
    )


def test_no_device_is_meant() -> None:
    """The event ends, and those online still get the number."""
    push, outcome = _socket(envelope(4, target=Predicate(ids=("radio",))))
    assert outcome.kind == "no-target"
    assert push is not None
    assert push.targets == ()


def test_nobody_is_online() -> None:
    """No push record at all."""
    assert _plan(envelope(4), presence=[]).pushes == {}


@pytest.mark.parametrize(
    ("gateways", "why"), [({5: 2}, "gateway 5 was restarted"), ({5: None}, "lease of gateway 5 lapsed")]
)
def test_a_gateway_that_is_gone_holds_nobody(gateways: Incarnations, why: str) -> None:
    """Another life of it, or a lease that lapsed."""
    push, outcome = _socket(envelope(4), gateways=gateways)
    assert push is None
    assert outcome.detail == f"inbox: tv ({why}), phone (no presence)"


def test_a_gateway_that_is_not_known_yet_counts_as_alive() -> None:
    """It may have opened a moment ago."""
    assert "socket" in _plan(envelope(4), gateways={}).pushes


def test_presence_that_is_too_old_counts_as_absent() -> None:
    """Its connection must have ended."""
    epoch = NOW - PRESENCE_LIFE_MS - 1
    push, outcome = _socket(envelope(4), presence=online("tv", epoch=epoch))
    assert push is None
    assert outcome.detail == f"inbox: tv (presence of {epoch} is too old), phone (no presence)"


def test_a_platform_that_is_not_there_is_the_inbox() -> None:
    """A device of a later release, with a token that nothing here can use."""
    devices = [*registered(), b"phone", DEVICE.pack(4, 0, 9) + b"token"]
    assert _plan(envelope(4), devices=devices).outcome.detail == "inbox: phone (no presence)"


WOKEN: Flat = [
    *registered(tv=1),
    b"phone", DEVICE.pack(4, 0, 1) + b"of-apns", b"tablet", DEVICE.pack(8, 0, 1) + b"of-apns-too",
    b"web", DEVICE.pack(16, 0, 3) + b"of-web",
]  # fmt: skip


def test_each_platform_gets_one_push_for_all_its_devices() -> None:
    """Beside the sockets; the tokens stand in the order of the targets."""
    pushes, outcome = _plan(envelope(4, collapse_key="plan"), devices=WOKEN)
    assert list(pushes) == ["socket", "apns", "webpush"]
    apns = pushes["apns"]
    assert (apns.targets, apns.tokens) == (
        (("phone", 0, 0, 0), ("tablet", 0, 0, 0)),
        (b"of-apns", b"of-apns-too"),
    )
    assert (apns.payload, apns.collapse_key, apns.wake, apns.others) == (envelope(4).payload, "plan", "data", ())
    assert pushes["webpush"].tokens == (b"of-web",)
    assert outcome.devices == ("tv", "phone", "tablet", "web")
    assert outcome.detail == (
        f"socket: tv (gateway 5 since {NOW - 1000}); apns: phone (no presence), tablet (no presence); "
        "webpush: web (no presence)"
    )


def test_an_account_with_more_devices_than_it_may_have_makes_no_push_that_is_too_long() -> None:
    """It may have registered them before there was a limit: those that the push has no room for have their inbox."""
    token = b"t" * 5000
    devices = [*registered(tv=1)]
    for number in range(1000):
        devices += (b"phone-%d" % number, DEVICE.pack(4, 0, 1) + token)
    e = envelope(4)
    pushes, outcome = _plan(e, devices=devices)
    assert len(encode(pushes["apns"])) <= sizes.push(len(e.payload))
    woken = len(pushes["apns"].targets)
    assert sizes.MAX_DEVICES <= woken == len(pushes["apns"].tokens) < 1000
    assert sorted(outcome.devices) == sorted(["tv", *(f"phone-{number}" for number in range(1000))])
    assert f"; inbox: phone-{woken} (no room in the push), " in outcome.detail


def test_an_account_with_many_sockets_makes_no_push_that_is_too_long() -> None:
    """A device that is left out has missed a number, and is synced."""
    names = [f"tv-{number}" for number in range(30_000)]
    push, outcome = _socket(envelope(4), devices=registered(**dict.fromkeys(names, 1)), presence=online(*names))
    assert push is not None
    assert len(encode(push)) <= sizes.push(0)
    assert len(push.targets) < len(names) == len(outcome.devices)
    assert f"inbox: tv-{len(push.targets)} (no room in the push), " in outcome.detail


def test_a_device_that_is_online_is_not_woken() -> None:
    """Its socket is the way."""
    made = _plan(envelope(4), devices=WOKEN, presence=online("phone", "tablet", "tv", "web"))
    assert list(made.pushes) == ["socket"]


def test_a_provider_gets_nothing_that_is_too_late() -> None:
    """The inbox has it, if it can still be read."""
    made = _plan(envelope(4, deadline=NOW - 7), devices=WOKEN, presence=[])
    assert made.pushes == {}
    assert made.outcome.detail.startswith("inbox: phone (no presence), tablet (no presence), web (no presence), tv")
    assert made.outcome.detail.endswith("; 7 ms too late for a push")


def test_the_rules_are_those_of_the_topology() -> None:
    """Sockets come first: they have no tokens."""
    rules = rules_of(shipped_topology())
    assert rules.platforms == tuple(shipped_topology().platforms)
    assert rules.platforms[0] == "socket"


def test_a_use_case_without_content_wakes_only() -> None:
    """The payload stays in the inbox, except for sockets."""
    (made,) = plans(
        [envelope(4)],
        {("anna", 0): AccountState(-1, online("tv"), WOKEN)},
        ALIVE,
        RULES._replace(wakes={"member.plan.changed": "sync"}),
        NOW,
    )
    assert (made.pushes["apns"].wake, made.pushes["apns"].payload) == ("sync", b"")
    assert made.pushes["socket"].payload == envelope(4).payload


def test_values_that_cannot_be_read_count_as_absent(caplog: pytest.LogCaptureFixture) -> None:
    """One odd account stops nobody, and is logged."""
    devices = [*FLEET, b"short", b"x", b"\xff\xfe", DEVICE.pack(1, 0, 0)]
    presence = [b"phone", b"corrupt", *online("tv")]
    push, outcome = _socket(envelope(4), devices=devices, presence=presence)
    assert push is not None
    assert outcome.detail == ONLINE
    assert "3 values" in caplog.text


def test_notifications_of_a_batch_are_chained() -> None:
    """The first hangs on the head, each other on the one before it in its lane."""
    batch = [envelope(4), envelope(5, lane=1), envelope(6), envelope(7, lane=1), envelope(8, account="ben")]
    states = {("anna", 0): _state(at(2)), ("anna", 1): _state(-1), ("ben", 0): _state(-1)}
    assert list(chained(batch, states)) == [at(2), -1, at(4), at(5), -1]


@given(st.integers(1, 50), st.lists(st.integers(1, 50), min_size=1, unique=True))
def test_a_copy_never_looks_like_the_next_one(head: int, offsets: list[int]) -> None:
    """Where the head already stood at or above a notification, its `prev` says so: a gateway drops it or syncs."""
    batch = [envelope(offset) for offset in sorted(offsets)]
    for e, prev in zip(batch, chained(batch, {("anna", 0): _state(at(head))}), strict=True):
        assert prev >= at(head)
        assert (prev < e.seq) == (head < e.seq - at(0))


def _state(prev: int) -> AccountState:
    return AccountState(prev, [], FLEET)
