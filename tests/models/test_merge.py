"""No device can tell whether notifications were merged: it shows the same, whatever the targets, shapes and keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.merge import Changes, merge, selectors, version_of
from streams.envelope import Envelope
from streams.targets import Predicate, matches
from tests.unit.agents.test_merge import IDS, POLICIES, apply, envelope, ids_of, titles
from tests.unit.fakes import NOW

#: A wrong merge needs a few events that meet in the right way.
MANY = settings(max_examples=400, deadline=None)
DEVICES = {"tv": 1, "phone": 2}
TARGETS = st.sampled_from([Predicate(), Predicate(types=1), Predicate(origin="tv"), Predicate(ids=("phone",))])
PAYLOADS = st.one_of(
    st.builds(titles, IDS, IDS),
    st.builds(titles, IDS, IDS),
    st.builds(titles, IDS, IDS, profile=st.integers(min_value=0, max_value=1)),
    st.builds(lambda ids: {"titles": ids}, IDS),  # the whole list, anew
)


def events(type_: str, *, keyed: bool) -> st.SearchStrategy[list[Envelope]]:
    """Events of one account in the order of their positions."""
    fields = st.fixed_dictionaries({
        "payload": PAYLOADS, "target": TARGETS, "source": st.sampled_from(["/s"] * 5 + ["/t"]),
        "collapse_key": st.sampled_from(["k", "k", "l"] if keyed else ["", "", "l"]), "time": st.integers(NOW, NOW + 4),
        "revision": st.sampled_from([-1, 1, 2, 3] if keyed else [-1]),
    })  # fmt: skip
    return st.lists(fields, max_size=9).map(
        lambda all_: [envelope(n, **{**one, "type": type_}) for n, one in enumerate(all_)]
    )


def lists_of(device: str, notifications: Sequence[Envelope]) -> dict[str, tuple[list[int | str], Any]]:
    """The lists that a device holds after these, and what it last heard beside them."""
    lists: dict[str, tuple[list[int | str], Any]] = {}
    for e in notifications:
        if not matches(e.target, device, DEVICES[device], 0):
            continue
        payload = json.loads(e.payload)
        held, _ = lists.get(e.collapse_key, ([1, 3], None))
        value = payload["titles"]
        after = value if isinstance(value, list) else apply(held, Changes(**value))
        lists[e.collapse_key] = after, payload.get("profile")
    return lists


@MANY
@given(events("list", keyed=False))
def test_applying_the_union_is_applying_all_in_order(window: list[Envelope]) -> None:
    """For each device, whatever the targets, shapes and keys; and no event is left out or told twice."""
    merged = merge(window, POLICIES)
    for device in DEVICES:
        assert lists_of(device, merged.survivors) == lists_of(device, window)
    conserved(window, merged.survivors)
    assert {e.id for e, _ in merged.folded} == {e.id for e in window} - {e.id for e in merged.survivors}


def standing(notifications: Sequence[Envelope]) -> list[Envelope]:
    """Those that are not superseded: no newer one of their line came before them."""
    newest: dict[Any, int] = {}
    kept = []
    for e in notifications:
        line = e.collapse_key, e.revision >= 0, selectors(e.target)
        if version_of(e) >= newest.get(line, -1):
            newest[line] = version_of(e)
            kept.append(e)
    return kept


def shown(device: str, notifications: Sequence[Envelope]) -> dict[str, bytes]:
    """What a device shows for each collapse key after these."""
    meant = [e for e in notifications if matches(e.target, device, DEVICES[device], 0)]
    return {e.collapse_key: e.payload for e in meant}


@MANY
@given(events("home", keyed=True))
def test_applying_the_newest_is_applying_all_that_stand_in_order(window: list[Envelope]) -> None:
    """With what is superseded left out, before the merge or after it."""
    merged = merge(window, POLICIES)
    for device in DEVICES:
        assert shown(device, standing(merged.survivors)) == shown(device, standing(window))
    conserved(window, merged.survivors)


def conserved(window: Sequence[Envelope], after: Sequence[Envelope]) -> None:
    """Every event is in exactly one notification, and these leave in order."""
    assert sorted(id_ for e in after for id_ in ids_of(e)) == sorted(e.id for e in window)
    assert [e.seq for e in after] == sorted(e.seq for e in after)
