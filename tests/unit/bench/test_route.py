"""Tests of the load of `make bench-route` and of the oracle that checks what came of it."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest

from bench.route.__main__ import main, summary
from bench.route.load import SIZE, good, home, number_of, plan, value_of
from bench.route.oracle import differences, read_as_it_came, read_envelope
from streams.cloudevents import decode
from streams.envelope import VERSION, Envelope, encode

EVENTS = 2000
BEGAN = datetime(2027, 1, 15, 8, tzinfo=UTC)


def envelope(number: int) -> Envelope:
    """What the router makes of an event."""
    event = plan(number)
    made = decode(event.account.encode(), value_of(event, BEGAN), [("content-type", b"application/cloudevents+json")])
    return Envelope(
        VERSION, b"topc", 0, number, 2, made.account, made.source, made.id, made.type, made.time, made.time, 0, 0,
        made.content_type, made.payload,
    )  # fmt: skip


def test_a_twentieth_is_stale_and_a_twentieth_repeats_an_earlier_event() -> None:
    """To the byte, and so under the same key."""
    plans = [plan(number) for number in range(EVENTS)]
    assert Counter(event.kind for event in plans) == {"good": 1800, "stale": 100, "duplicate": 100}
    far = 0
    for number, event in enumerate(plans):
        original = plans[event.original]
        assert value_of(event, BEGAN) == value_of(original, BEGAN)
        assert (event.kind == "duplicate") == (event.original < number)
        assert event.kind != "duplicate" or original.kind == "good"
        far += number - event.original > 100
    assert 20 < far < 80


def test_every_event_is_a_cloudevent_of_one_size_with_an_id_of_its_own() -> None:
    """The number is in the id."""
    values = [value_of(plan(number), BEGAN) for number in range(EVENTS)]
    assert {len(value) for value in values} == {SIZE}
    ids = {json.loads(value)["id"] for value in values}
    assert {number_of(id_) for id_ in ids} == {number for number in range(EVENTS) if plan(number).kind != "duplicate"}


def test_the_good_events_come_with_their_partitions() -> None:
    """In order."""
    found = list(good(EVENTS, 8))
    assert len(found) == 1800
    assert all(earlier[0] < later[0] for earlier, later in pairwise(found))
    assert all(partition == home(event.account, 8) for _, event, partition in found)


def test_an_unaltered_record_is_read() -> None:
    """As it came, or as an envelope."""
    number = next(number for number, event, _ in good(EVENTS, 8) if event.type == "member.viewing.updated")
    assert read_as_it_came(value_of(plan(number), BEGAN), 2, BEGAN) == number
    assert read_envelope(encode(envelope(number)), 2, BEGAN) == number


def test_an_altered_record_is_not() -> None:
    """Each field of the envelope, and the lane that it lies in; every byte of a peer's record."""
    made = envelope(0)
    assert (read_envelope(encode(made), 2, BEGAN), read_envelope(encode(made), 1, BEGAN)) == (0, -1)
    others = {"lane": 1, "account": "account-1", "type": "member.plan.changed", "time": 1, "payload": b"{}"}
    for name, other in others.items():
        altered = msgspec.structs.replace(made, **{name: other})
        assert read_envelope(encode(altered), made.lane, BEGAN) == -1
    value = value_of(plan(0), BEGAN)
    assert read_as_it_came(value[:-3] + b"x" + value[-2:], 2, BEGAN) == -1


def test_what_is_missing_repeated_unexpected_or_out_of_order_is_counted() -> None:
    """Each once."""
    assert differences([1, 2, 3], [1, 2, 3]) == 0
    assert differences([1, 2, 3], [1, 3]) == 1
    assert differences([1, 2, 3], [1, 2, 2, 3]) == 1
    assert differences([1, 2, 3], [-1, 1, 2, 3]) == 1
    assert differences([1, 2, 3], [1, 3, 2]) == 1


def test_ratios_are_taken_within_each_round() -> None:
    """The median of them; the best Python peer is the best of the round; without a peer there is none."""

    def runs(*speeds: float) -> list[dict[str, float]]:
        return [{"events_per_cpu_s": speed, "events_per_s": 1, "rss_mb": 2, "wrong": 1} for speed in speeds]

    found = {"lockstep": runs(10, 40, 60), "a": runs(5, 10, 10), "b": runs(1, 20, 1)}
    said = summary(found, ["a", "b", "c"])
    assert (said["events_per_cpu_s"], said["ratio_best_python_peer"], said["wrong"]) == (40, 2.0, 9)
    assert said["ratio_raw"] is None


@pytest.mark.parametrize(
    ("names", "says"), [(["raw", "flink"], "no such system: flink"), (["raw"], "lockstep must be")]
)
def test_systems_that_give_no_last_line_are_refused_before_anything_is_measured(
    names: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that does not exist, or peers without lockstep."""
    monkeypatch.setattr("sys.argv", ["bench.route", *names])
    with pytest.raises(SystemExit):
        main()
    assert says in capsys.readouterr().err
