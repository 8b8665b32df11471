"""Merging: which notifications fold, what the one that stands for them holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.merge import Changes, fold, merge
from streams.envelope import VERSION, Envelope
from streams.policies import FROM_EVER, Policy
from streams.sizes import MAX_EVENTS, MAX_PAYLOAD
from streams.targets import Predicate
from tests.unit.fakes import NOW, TOPIC_ID, at

POLICY = Policy("list", ((FROM_EVER, 2),), 1, 1, False, 3, 0, "union", "titles")
POLICIES = {
    "list": POLICY,
    "other-list": POLICY,
    "home": POLICY._replace(use_case="home", merge="latest", merge_field=""),
    "plain": POLICY._replace(use_case="plain", merge="none", merge_field=""),
}


def envelope(offset: int, payload: Any = None, **changes: Any) -> Envelope:
    """An event of My List that adds its offset."""
    fields: dict[str, Any] = {
        "version": VERSION, "topic_id": TOPIC_ID, "partition": 0, "seq": at(offset), "lane": 2, "account": "acct",
        "source": "/s", "id": f"e{offset}", "type": "list", "time": NOW + offset, "appended": NOW + offset,
        "deadline": NOW + 60_000, "expires": NOW + 600_000, "content_type": "application/json",
        "payload": payload if isinstance(payload, bytes) else json.dumps(payload or titles([offset])).encode(),
    }  # fmt: skip
    return Envelope(**{**fields, **changes})


def titles(added: Sequence[Any] = (), removed: Sequence[Any] = (), **others: Any) -> dict[str, Any]:
    """A payload of My List."""
    return {"titles": {"added": list(added), "removed": list(removed)}, **others}


def ids_of(e: Envelope) -> tuple[str, ...]:
    """Ids of all events it stands for."""
    return e.events or (e.id,)


def survivors(*envelopes: Envelope) -> list[tuple[str, ...]]:
    """Ids of the events of each notification that leaves."""
    return [ids_of(e) for e in merge(envelopes, POLICIES).survivors]


def test_a_union_holds_what_all_did_and_lives_as_long_as_any() -> None:
    """At the position of the last; the others are part of it; the rest of the payload stays as it was written."""
    first = envelope(1, titles([7, "a"], [9], profile=3), deadline=NOW + 90_000)
    second = envelope(2, titles([8], [7], profile=3), expires=NOW + 900_000, trace="t")
    merged = merge([first, second], POLICIES)
    (union,) = merged.survivors
    assert json.loads(union.payload) == titles(["a", 8], [9, 7], profile=3)
    assert (union.seq, union.id, union.events) == (at(2), "e2", ("e1", "e2"))
    assert (union.deadline, union.expires, union.appended) == (NOW + 90_000, NOW + 900_000, NOW + 2)
    assert (union.time, union.trace) == (NOW + 2, "t")
    assert merged.folded == [(first, union)]


def test_the_newest_stands_for_its_line_at_the_position_of_the_last() -> None:
    """By version; its content and its lives are its own."""
    first = envelope(1, {"v": 2}, type="home", collapse_key="k", revision=2, expires=NOW + 5)
    second = envelope(2, {"v": 1}, type="home", collapse_key="k", revision=1)
    (newest,) = merge([first, second], POLICIES).survivors
    assert (newest.payload, newest.revision, newest.expires, newest.time) == (b'{"v": 2}', 2, NOW + 5, NOW + 1)
    assert (newest.seq, newest.id, newest.events) == (at(2), "e2", ("e1", "e2"))


def test_of_equals_the_later_stands() -> None:
    """As a device would have it that got both; without a version the event time decides."""
    pair = [envelope(n, {"n": n}, type="home", collapse_key="k", time=NOW) for n in (1, 2)]
    assert merge(pair, POLICIES).survivors[0].payload == b'{"n": 2}'
    older = envelope(3, {"n": 3}, type="home", collapse_key="k", time=NOW - 1)
    assert merge([*pair, older], POLICIES).survivors[0].payload == b'{"n": 2}'


@pytest.mark.parametrize(
    ("changes", "type_"),
    [
        ({"account": "b"}, "list"), ({"source": "/b"}, "list"), ({"target": Predicate(ids=("d",))}, "list"),
        ({"target": Predicate(origin="d")}, "list"), ({"collapse_key": "kids"}, "list"), ({"type": "home"}, "list"),
        ({"type": "other-list"}, "list"), ({"content_type": "application/x+json"}, "list"),
        ({"revision": 4}, "home"), ({"collapse_key": ""}, "home"), ({"type": "plain"}, "home"),
        ({"type": "unknown"}, "home"),
    ],
)  # fmt: skip
def test_other_lines_do_not_fold(changes: dict[str, Any], type_: str) -> None:
    """Another account, source, target, origin, key, use case, type, or way of being ordered; no rule at all."""
    key = {"collapse_key": "k"} if type_ == "home" else {}
    pair = envelope(1, type=type_, **key), envelope(2, **{"type": type_, **key, **changes})
    assert survivors(*pair) == [("e1",), ("e2",)]
    assert survivors(pair[0], envelope(2, type=type_, **key)) == [("e1", "e2")]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"3", b"[]", b"{}", {"titles": [1]}, {"titles": {"added": 1}}, {"titles": {"added": [1.5]}},
        {"titles": {"added": [True]}}, {"titles": {"added": [], "moved": []}}, {"titles": None},
        titles([2], profile=4), titles([2], profile=[3]), titles([2]),
    ],
)  # fmt: skip
def test_what_cannot_be_folded_goes_as_it_is(payload: Any) -> None:
    """No such field, another shape, or a difference in the rest; nor do those around it fold over it."""
    odd = envelope(2, payload)
    around = envelope(1, titles([1], profile=3)), envelope(3, titles([3], profile=3))
    assert survivors(around[0], odd, around[1]) == [("e1",), ("e2",), ("e3",)]
    assert merge([around[0], odd, around[1]], POLICIES).survivors[1] is odd


def test_nothing_folds_over_what_other_devices_get_in_between() -> None:
    """The television takes a title out; everybody's addition of it, folded into a later one, would bring it back."""
    between = envelope(2, titles([], [1]), target=Predicate(ids=("tv",)))
    assert survivors(envelope(1), between, envelope(3)) == [("e1",), ("e2",), ("e3",)]


def test_bytes_that_are_no_json_do_not_fold() -> None:
    """Whatever they look like."""
    assert survivors(*(envelope(n, content_type="text/plain") for n in (1, 2))) == [("e1",), ("e2",)]


def test_without_a_rule_all_leave_as_they_are() -> None:
    """Nothing is made where nothing can fold."""
    plain = [envelope(n, type="plain") for n in (1, 2)]
    assert merge(plain, POLICIES) == (plain, [])


def test_a_merged_notification_stays_small() -> None:
    """So many events, and no more bytes than an event may have; then another one begins."""
    many = [envelope(n, titles([])) for n in range(MAX_EVENTS + 2)]
    assert [len(ids) for ids in survivors(*many)] == [MAX_EVENTS, 2]
    large = [envelope(n, titles(["x" * (MAX_PAYLOAD // 3)])) for n in range(3)]
    assert [len(ids) for ids in survivors(*large)] == [2, 1]
    newest = [envelope(n, titles(["x" * MAX_PAYLOAD]), type="home", collapse_key="k") for n in range(3)]
    assert [len(ids) for ids in survivors(*newest)] == [3]


def test_all_leave_in_the_order_of_their_positions() -> None:
    """A union stands where its last event is, behind what came between."""
    mixed = envelope(1), envelope(2, type="plain"), envelope(3, account="b"), envelope(4), envelope(5, account="b")
    assert survivors(*mixed) == [("e2",), ("e1", "e4"), ("e3", "e5")]


#: Few ids, so that changes meet; a number and its text are two.
IDS = st.lists(st.sampled_from([1, 2, "1"]), max_size=2)


def apply(state: list[int | str], changes: Changes) -> list[int | str]:
    """What a device does with changes: take out, then put at the end."""
    rest = [id_ for id_ in state if id_ not in changes.removed]
    for id_ in changes.added:
        rest = [*(other for other in rest if other != id_), id_]
    return rest


@given(st.lists(st.builds(Changes, IDS, IDS), max_size=5), IDS)
def test_changes_folded_do_the_same_to_any_list(changes: list[Changes], held: list[int | str]) -> None:
    """Also to one that holds nothing, and in the order in which ids were last put."""
    one_by_one = list(dict.fromkeys(held))
    at_once = apply(one_by_one, fold(changes))
    for change in changes:
        one_by_one = apply(one_by_one, change)
    assert at_once == one_by_one
