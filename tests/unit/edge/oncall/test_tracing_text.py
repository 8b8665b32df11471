"""A trace as people and programs see it."""

from __future__ import annotations

import msgspec

from edge.oncall.passage import Subject, subject
from edge.oncall.trace import Letters, Reports, assemble
from edge.oncall.tracing_text import as_object, lines
from streams.deadletters import Origin, dead_letter
from streams.outcomes import ANY_LANE, Outcome
from tests.unit.edge.oncall.traced import ACCOUNT, HIGH, NOW, SEQ, TOPOLOGY, Raw, envelope, outcomes, traced


def test_object_has_no_payload_and_times_in_rfc_3339() -> None:
    """What programs get: the trace as one JSON object."""
    built = msgspec.json.decode(as_object(traced(reports=[outcomes("route", Outcome("stale", ACCOUNT, SEQ))])))
    assert built["verdict"] == "stale"
    assert built["appended"] == "2027-01-15T08:00:00.000Z"
    assert built["event"]["time"] == "2027-01-15T08:00:00.000Z"
    assert built["event"]["expires"] is None
    assert "payload" not in built["event"]
    assert built["steps"][0]["what"] == "stale"


def test_lines_tell_of_broken_records_too() -> None:
    """A record that is no event has a trace: its dead letter."""
    raw = Raw(7, NOW, b"k", b"{")
    about: Subject = subject(TOPOLOGY, 3, raw)
    letters = Letters(about, "ingest")
    letters.take(
        Raw(
            0, NOW + 3, b"k", b"{", dead_letter(Origin("ingest", 3, raw.offset, "undecodable", "not JSON"), raw.headers)
        )
    )
    reports = Reports(about, -1, -1)
    reports.take(outcomes("route", Outcome("dead-lettered", "k", SEQ, detail="undecodable: not JSON"), ms=4))
    trace = assemble(TOPOLOGY, about, [], letters, reports, [], NOW)
    assert list(lines(trace)) == [
        "not an event  account k",
        "  ingest 3:7",
        "      +3 ms  route   kept dead-letters 3:0 (undecodable)",
        "      +4 ms  route   dead-lettered (undecodable: not JSON)",
        "  dead-lettered (undecodable: not JSON)",
    ]
    assert msgspec.json.decode(as_object(trace))["event"] is None


def test_lines_of_a_delivered_event() -> None:
    """One line for each stage and device, times after the append."""
    said = [
        outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone"))),
        outcomes("push", Outcome("undeliverable", ACCOUNT, SEQ, ("phone",), detail="404"), ms=6),
        outcomes("edge", Outcome("acked", ACCOUNT, SEQ, ("tv",), since=-1, lane=HIGH), ms=9),
    ]
    shown = list(lines(traced(passed={"events.high": [Raw(70, NOW + 2, b"", envelope())]}, reports=said)))
    assert shown[0] == "member.plan.changed  id e1  source /plans  account zoë"
    assert "  ingest 3:7, lane high, readable until 2027-01-15T08:01:00.000Z" in shown
    assert "      +5 ms  store   stored for tv, phone" in shown
    assert "  device phone            undeliverable after 6 ms (404)" in shown
    assert "  device tv               acked after 9 ms (cursor at 3:7)" in shown


def test_the_code_of_an_item_stands_with_its_device() -> None:
    """Behind its fate; whoever gave none has none."""
    codes = [Outcome("acked", ACCOUNT, SEQ, ("phone",), "ignored", since=SEQ - 1, lane=ANY_LANE)]
    said = [
        outcomes("store", Outcome("stored", ACCOUNT, SEQ, ("tv", "phone"))),
        outcomes("edge", Outcome("acked", ACCOUNT, SEQ + 3, ("tv",), "", since=-1, lane=HIGH), *codes, ms=9),
    ]
    trace = traced(reports=said)
    shown = list(lines(trace))
    assert "  device tv               acked after 9 ms (cursor at 3:10)" in shown
    assert "  device phone            acked after 9 ms, ignored (by its id)" in shown
    devices = msgspec.json.decode(as_object(trace))["devices"]
    assert [fate["code"] for fate in devices] == ["ignored", ""]
