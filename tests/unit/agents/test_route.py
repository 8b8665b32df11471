"""The stage `route`: what goes into which lane, what is refused, and that neighbours never notice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import msgspec
import pytest

from agents.route import stage as route_stage
from streams.deadletters import read_dead_letter, replay
from streams.envelope import Envelope, decode_envelope, notification_id, origin_of
from streams.limits import Limits
from streams.murmur2 import partition_for
from streams.seen import SeenEntry, SeenState, SeenVerdict
from streams.settings import Kafka, Settings
from streams.stage import Handler, PartitionStopped
from streams.state import Row
from streams.topology import UseCaseSpec
from tests.unit.fakes import NOW, TOPIC_ID, FakeBatch, FakeOutput, FakeRecord, at, make_stage, shipped_topology

PARTITION = partition_for(b"acct", 8)
HEADERS = [("content-type", b"application/cloudevents+json")]


class Table:
    """The state of one partition, without a changelog."""

    def __init__(self) -> None:
        self.state = SeenState(PARTITION, 600_000)
        self.rows: list[Row] = []

    async def judge(self, partition: int, entries: Sequence[SeenEntry]) -> list[SeenVerdict]:
        """A verdict for each entry."""
        verdicts, rows = self.state.judge(entries)
        self.rows += rows
        return verdicts


def event(**changes: Any) -> bytes:
    """A structured event, young and good unless told otherwise."""
    attributes = {
        "specversion": "1.0", "id": "e1", "source": "/s", "type": "member.plan.changed", "subject": "acct",
        "time": "2027-01-15T08:00:00Z", "datacontenttype": "application/json", "data": {"x": 1}, **changes,
    }  # fmt: skip
    return json.dumps({name: value for name, value in attributes.items() if value is not None}).encode()


def record(offset: int, value: bytes | None = None, key: bytes | None = b"acct", **more: Any) -> FakeRecord:
    """A record of `ingest`."""
    return FakeRecord(
        offset, key, event(id=f"e{offset}") if value is None else value, more.pop("headers", HEADERS), **more
    )


async def route(*records: FakeRecord, output: FakeOutput | None = None, table: Table | None = None) -> FakeOutput:
    """Send records through the stage."""
    output = output or FakeOutput()
    handle = await route_stage(make_stage("route", output, table=table or Table()))
    taken = await handle(FakeBatch("ingest", records, PARTITION))
    assert taken == at(records[-1].offset)
    return output


def envelopes(output: FakeOutput, lane: str) -> list[Envelope]:
    """What went into a lane."""
    return [decode_envelope(sent.value or b"") for sent in output.to(f"events.{lane}")]


async def test_an_event_becomes_an_envelope_in_the_lane_of_its_use_case() -> None:
    """Key, partition and payload stay; position, lives and target are set."""
    output = await route(record(7, event(devicetypes="tv,phone", deviceids="d1", origindevice="d2", version="3")))
    (sent,) = output.sent
    envelope = decode_envelope(sent.value or b"")
    assert (sent.topic, sent.partition, sent.key) == ("events.high", PARTITION, b"acct")
    assert (envelope.seq, envelope.account, envelope.payload) == (at(7), "acct", b'{"x": 1}')
    assert (envelope.deadline, envelope.expires) == (NOW + 86_400_000, NOW + 7 * 86_400_000)
    assert (envelope.target.types, envelope.target.ids, envelope.target.origin) == (0b101, ("d1",), "d2")
    assert (envelope.collapse_key, envelope.revision) == ("member.plan.changed", 3)
    assert origin_of(notification_id(envelope.seq, PARTITION, TOPIC_ID)) == (at(7), PARTITION, TOPIC_ID)


BAD = [
    (record(1, b"\xff\xfe"), "undecodable"),
    (FakeRecord(1, b"acct", None), "null-value"),
    (record(1, event(type="nobody.knows")), "unknown-type"),
    (record(1, event(subject=None)), "no-account"),
    (record(1, event(), key=b"other"), "key-mismatch"),
    (record(1, event(data="x" * 20_000)), "oversized"),
    (record(1, event(time="2027-01-15T09:00:00Z")), "future-dated"),
    (record(1, event(devicetypes="fridge")), "bad-attribute"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[reason for _, reason in BAD])
async def test_a_bad_record_is_dead_lettered_whole_and_its_neighbours_go_on(bad: FakeRecord, reason: str) -> None:
    """Original key and bytes, where it lay and why; the records before and behind it are forwarded."""
    output = await route(record(0), bad, record(2))
    assert [e.seq for e in envelopes(output, "high")] == [at(0), at(2)]
    (letter,) = output.to("dead-letters")
    assert (letter.key, letter.value, letter.partition) == (bad.key, bad.value, PARTITION)
    origin = read_dead_letter(letter.headers or [])
    assert (origin.topic, origin.partition, origin.offset, origin.reason) == ("ingest", PARTITION, 1, reason)
    (outcome,) = output.outcomes()
    assert (outcome.kind, outcome.seq) == ("dead-lettered", at(1))
    assert outcome.detail.startswith(reason)


@pytest.mark.parametrize(("most", "max_message"), [(5_000, "2MiB"), (2 << 20, "5000B")])
async def test_a_dead_letter_that_is_too_large_goes_without_its_value(most: int, max_message: str) -> None:
    """For the producer or for the topic: no record may stop its partition. The letter says where the value lies."""
    topology = shipped_topology()
    spec = msgspec.structs.replace(topology.topics["dead-letters"], max_message=max_message)
    topology = msgspec.structs.replace(topology, topics={**topology.topics, "dead-letters": spec})
    output = FakeOutput()
    made = make_stage("route", output, table=Table(), settings=Settings(kafka=Kafka(max_message_bytes=most)))
    handle = await route_stage(msgspec.structs.replace(made, topology=topology))
    large = event(data="x" * 20_000)
    await handle(FakeBatch("ingest", [record(0), record(1, large), record(2, b"no event")], PARTITION))
    without, whole = output.to("dead-letters")
    origin = read_dead_letter(without.headers or [])
    assert (without.key, without.value, whole.value) == (b"acct", None, b"no event")
    assert (origin.reason, origin.offset, origin.left_out) == ("oversized", 1, len(large))
    assert origin.detail.endswith(f": {len(large)} bytes, which lie in ingest {PARTITION}:1 alone")
    assert [(o.kind, o.seq) for o in output.outcomes()] == [("dead-lettered", at(1)), ("dead-lettered", at(2))]
    assert [e.seq for e in envelopes(output, "high")] == [at(0)]


async def test_an_event_on_the_wrong_partition_is_dead_lettered_with_the_right_one_named() -> None:
    """A producer that does not partition by murmur2 is told so."""
    output = FakeOutput()
    handle = await route_stage(make_stage("route", output, table=Table()))
    await handle(FakeBatch("ingest", [record(0)], (PARTITION + 1) % 8))
    (outcome,) = output.outcomes()
    assert outcome.detail.startswith(f"wrong-partition: account belongs on partition {PARTITION}")


@pytest.mark.parametrize("late", [event(time="2027-01-13T07:00:00Z"), event(expirytime="2027-01-15T07:59:00Z")])
async def test_an_event_that_is_too_old_or_expired_is_stale(late: bytes) -> None:
    """Stale is an outcome, not a dead letter."""
    output = await route(record(0), record(1, late))
    assert [o.kind for o in output.outcomes()] == ["stale"]
    assert not output.to("dead-letters")


async def test_a_duplicate_takes_no_effect_and_names_its_original() -> None:
    """Within one batch and over batches."""
    table = Table()
    first = await route(record(0, event(id="e")), record(1, event(id="e")), table=table)
    again = await route(record(5, event(id="e")), table=table)
    assert [(o.kind, o.seq, o.detail) for o in first.outcomes()] == [("duplicate", at(1), f"of {PARTITION}:0")]
    assert [(o.kind, o.seq, o.detail) for o in again.outcomes()] == [("duplicate", at(5), f"of {PARTITION}:0")]


async def test_the_same_id_with_another_payload_is_a_conflict_and_kept_as_a_dead_letter() -> None:
    """It is not silently dropped."""
    output = await route(record(0, event(id="e")), record(1, event(id="e", data={"x": 2})))
    assert [o.kind for o in output.outcomes()] == ["conflict"]
    origin = read_dead_letter(output.to("dead-letters")[0].headers or [])
    mine, its = crc32(b'{"x": 2}'), crc32(b'{"x": 1}')
    assert origin.reason == "conflict"
    assert origin.detail == (
        f"same id as {PARTITION}:0, another payload: digest {mine:08x}, that of the first {its:08x}"
    )


async def test_a_replay_is_forwarded_again() -> None:
    """A record that meets its own offset goes on: a crash between seen and forwarded loses nothing."""
    table = Table()
    await route(record(3), table=table)
    output = await route(record(3), table=table)
    assert [e.seq for e in envelopes(output, "high")] == [at(3)]
    assert output.outcomes() == []


async def test_a_full_queue_is_waited_for() -> None:
    """No record is skipped, and the order stays."""
    output = await route(*(record(n) for n in range(3)), output=FakeOutput(full=1))
    assert [e.seq for e in envelopes(output, "high")] == [at(0), at(1), at(2)]


async def test_lanes_follow_the_event_type() -> None:
    """One type of a use case may have a lane of its own."""
    output = await route(
        record(0, event(id="a", type="member.profile.changed")),
        record(1, event(id="b", type="member.profile.maturity-changed")),
    )
    assert [e.seq for e in envelopes(output, "high")] == [at(0)]
    assert [e.seq for e in envelopes(output, "critical")] == [at(1)]


async def test_log_time_judges_and_never_goes_back() -> None:
    """An event's age and its envelope's append time follow the latest append so far, also of a batch before."""
    output = FakeOutput()
    handle = await route_stage(make_stage("route", output, table=Table()))
    day = 86_400_000
    late = record(2, timestamp=NOW)
    await handle(FakeBatch("ingest", [record(1, timestamp=NOW + day), late], PARTITION))
    await handle(FakeBatch("ingest", [record(3)], PARTITION, clock=NOW + day + 1))
    assert [e.appended for e in envelopes(output, "high")] == [NOW + day, NOW + day]
    assert [(o.kind, o.seq) for o in output.outcomes()] == [("stale", at(3))]


async def test_a_lane_change_looks_at_the_record_alone() -> None:
    """From the append time of the record on, whatever the log time: the same for whoever routes it again."""
    lane = {"is": "low", "from": "2027-01-15T08:00:01Z", "was": "high"}
    case = {**msgspec.to_builtins(shipped_topology().use_cases["plan-change"]), "lane": lane}
    topology = shipped_topology()
    topology = msgspec.structs.replace(
        topology, use_cases={**topology.use_cases, "plan-change": msgspec.convert(case, UseCaseSpec)}
    )
    output = FakeOutput()
    stage = msgspec.structs.replace(make_stage("route", output, table=Table()), topology=topology)
    handle = await route_stage(stage)
    times = (NOW, NOW + 999, NOW + 1000, NOW + 500)
    await handle(FakeBatch("ingest", [record(n, timestamp=time) for n, time in enumerate(times)], PARTITION))
    assert [(e.seq, e.lane) for e in envelopes(output, "high")] == [(at(0), 1), (at(1), 1), (at(3), 1)]
    assert [(e.seq, e.lane) for e in envelopes(output, "low")] == [(at(2), 3)]


async def limited(output: FakeOutput, table: Table, **limits: Any) -> Handler:
    """The handler under limits of dead letters."""
    settings = Settings(limits=Limits(**limits))
    return await route_stage(make_stage("route", output, table=table, settings=settings))


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"dead_letter_consecutive": 2}, "3 dead letters in a row, limit 2"),
        ({"dead_letter_ratio": 0.25, "dead_letter_window": 8}, "3 of 8 records are dead letters, limit 25%"),
    ],
)
async def test_a_flood_of_dead_letters_stops_the_partition_before_any_output(limits: dict[str, Any], said: str) -> None:
    """The reason has the limit and the last of them; other partitions go on, and the good batch that comes next too."""
    output = FakeOutput()
    handle = await limited(output, Table(), **limits)
    await handle(FakeBatch("ingest", [record(n) for n in range(5)], PARTITION))
    output.sent.clear()
    flood = FakeBatch("ingest", [record(n, b"no event") for n in range(5, 8)], PARTITION)
    for _ in range(2):
        with pytest.raises(PartitionStopped) as stopped:
            await handle(flood)
        assert str(stopped.value).startswith(f"{said}; offset 7: undecodable: ")
        assert output.sent == []
    await handle(FakeBatch("ingest", [record(5, b"no event")], (PARTITION + 1) % 8))
    assert len(output.to("dead-letters")) == 1
    await handle(FakeBatch("ingest", [record(n) for n in range(5, 8)], PARTITION))
    assert [e.seq for e in envelopes(output, "high")] == [at(5), at(6), at(7)]


async def test_conflicts_count_and_what_was_seen_with_them_is_forwarded_after_the_restart() -> None:
    """The dedup knows the records of a batch that was stopped by their own offsets: replays, not duplicates."""
    output, table = FakeOutput(), Table()
    batch = [
        record(0, event(id="a")),
        *(record(n, event(id="a", data=n)) for n in range(1, 4)),
        record(4, event(id="b")),
    ]
    handle = await limited(output, table, dead_letter_consecutive=2)
    with pytest.raises(PartitionStopped, match="offset 3: conflict: same id"):
        await handle(FakeBatch("ingest", batch, PARTITION))
    assert output.sent == []
    again = await limited(output, table, dead_letter_consecutive=3)
    await again(FakeBatch("ingest", batch, PARTITION))
    assert [e.seq for e in envelopes(output, "high")] == [at(0), at(4)]


def replayed(offset: int, value: bytes, headers: list[tuple[str, bytes]]) -> FakeRecord:
    """A dead letter, put into `ingest` again at an offset."""
    return record(offset, value, headers=replay(read_dead_letter(headers), headers))


async def test_a_replayed_dead_letter_takes_effect_once() -> None:
    """However often it is replayed, and a copy of its producer is a duplicate."""
    table, bad = Table(), event(id="e", devicetypes="tv,toaster")
    (letter,) = (await route(record(0, bad), table=table)).to("dead-letters")
    good = event(id="e")
    output = await route(*(replayed(n, good, letter.headers or []) for n in (5, 6)), record(7, good), table=table)
    assert [e.seq for e in envelopes(output, "high")] == [at(5)]
    assert [(o.kind, o.detail) for o in output.outcomes()] == [("duplicate", f"of {PARTITION}:5")] * 2


async def test_a_replay_is_not_the_duplicate_of_its_own_first_record() -> None:
    """Which the dedup knows where a dead letter arose behind it; another payload is a conflict all the same."""
    table, good = Table(), event(id="e")
    await route(record(0, good), table=table)
    first = [("lockstep-first", b"%d:0" % PARTITION)]
    output = await route(
        record(4, event(id="e", data=4), headers=HEADERS + first),
        record(5, good, headers=HEADERS + first),
        record(6, good, headers=HEADERS + first),
        record(7, good, headers=[*HEADERS, ("lockstep-first", b"%d:0" % (PARTITION + 1))]),
        table=table,
    )
    assert [e.seq for e in envelopes(output, "high")] == [at(5)]
    assert [(o.kind, o.seq) for o in output.outcomes()] == [
        ("conflict", at(4)), ("duplicate", at(6)), ("duplicate", at(7)),
    ]  # fmt: skip


async def test_a_replay_is_known_after_recovery() -> None:
    """From the rows alone: itself as a replay, the next one as its duplicate."""
    table, good = Table(), event(id="e")
    await route(record(0, good), table=table)
    first = [*HEADERS, ("lockstep-first", b"%d:0" % PARTITION)]
    await route(record(5, good, headers=first), table=table)
    recovered = Table()
    for key, value in table.rows:
        recovered.state.read(key, value)
    recovered.state.settle()
    output = await route(record(5, good, headers=first), record(6, good, headers=first), table=recovered)
    assert [e.seq for e in envelopes(output, "high")] == [at(5)]
    assert [(o.kind, o.seq, o.detail) for o in output.outcomes()] == [("duplicate", at(6), f"of {PARTITION}:5")]
