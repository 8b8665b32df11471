"""The audit and the metrics of a running system: nothing is missing, and both say the same."""

from __future__ import annotations

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.local.pipeline import Member
from streams.envelope import decode_envelope, offset_of
from tests.e2e.audited import audit, ends
from tests.e2e.run import run_load
from tests.e2e.system import WORKERS, System

EVENTS = 3000
OTHERS = ("records", "copies", "given-back")  # what was taken, and what was taken again
#: What the metrics call each stage of the audit.
STAGES = {"route": "route", "notify": "notify", "store": "store", "push.socket": "push"}


async def test_a_load_is_conserved_and_the_metrics_say_so_too(system: System) -> None:
    """Every event has its end; each stage's records are those of the audit, by what became of them."""
    members = system.start()
    result = await run_load(system, {}, 2000.0, EVENTS)
    assert result.verdict.good, str(result.verdict)
    found = result.audit
    assert (found["defects"], found["events"], sum(found["ends"].values())) == ([], EVENTS, EVENTS)
    assert set(found["ends"]) >= {"devices", "duplicate", "stale"}
    assert set(found["ends"]).isdisjoint({"in flight", "missing"})
    assert sum(lane["waiting"] + lane["expired"] for lane in found["devices"]) == 0
    counted = _counted(members)
    for stage in found["stages"]:
        counts = counted[STAGES[stage["stage"]], stage["lane"]]
        forwarded = sum(stage["forwarded"].values())
        expected = {**stage["outcomes"], **({"forwarded": forwarded} if forwarded else {})}
        assert {name: n for name, n in counts.items() if n and name not in OTHERS} == expected
        assert counts["records"] == stage["in"] + counts.get("copies", 0) + counts.get("given-back", 0)


async def test_an_event_that_is_taken_away_is_named(system: System) -> None:
    """The router's outputs vanish with its topic, while its commit stands: the audit names every event of it."""
    system.start()
    await run_load(system, {}, 2000.0, 400)
    system.pipeline.stop()
    lost = set(_critical(system))
    _empty(system, "events.critical")
    found = audit(system)
    named = {(defect["partition"], defect["offset"]) for defect in found["defects"]}
    assert named == lost
    assert len(named) > 50


def _empty(system: System, name: str) -> None:
    """Delete all records of a topic."""
    topic = system.topic(name)
    admin = AdminClient({"bootstrap.servers": system.kafka})
    ends = {partition: offset + 1 for partition, offset, _, _ in system.read(name)}
    for future in admin.delete_records([TopicPartition(topic, *end) for end in ends.items()]).values():
        future.result(10)


def _counted(members: dict[str, Member]) -> dict[tuple[str, str], dict[str, int]]:
    return {stage: dict(counts) for name in WORKERS for stage, counts in ends(members[name]).items()}


def _critical(system: System) -> list[tuple[int, int]]:
    """Partition and offset in `ingest` of each event of the lane `critical`."""
    return [(partition, offset_of(decode_envelope(value).seq))
            for partition, _, value, _ in system.read("events.critical") if value]  # fmt: skip
