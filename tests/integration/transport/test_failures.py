"""What stops a worker, and that nothing is lost by it."""

from __future__ import annotations

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from streams.transport import EXIT_FAILED
from tests.integration.transport.pipeline import PARTITIONS, Pipeline, until
from tests.integration.transport.stages import SEQ


def _settle(pipeline: Pipeline) -> None:
    """Two good workers work everything off; then all is there, in order."""
    router, lane = pipeline.start("router"), pipeline.start("lane")
    pipeline.drain()
    assert (router.stop(), lane.stop()) == (0, 0)
    pipeline.check()


def test_a_handler_that_raises_ends_the_process_without_a_commit(pipeline: Pipeline) -> None:
    """Exit 70, nothing at or behind the bad event is committed or passed on, and nothing is missing after a restart."""
    pipeline.create()
    pipeline.fill(8000, duplicates=0.0)
    router = pipeline.start("router")
    until(lambda: pipeline.lag("router") == 0, "the router is done")
    router.stop()
    lane = pipeline.start("lane", fail_at=700, poll=100)
    assert lane.process.wait(40) == EXIT_FAILED
    for (topic, partition), mark in pipeline.committed("lane").items():
        if topic.endswith("events.a"):
            last = pipeline.read("events.a")[partition][-1]
            assert mark.offset <= last.offset, "the whole partition was committed"
    passed = pipeline.read("notifications.a")
    assert sum(len(records) for records in passed.values()) < 8000 / 2
    _settle(pipeline)


def test_the_watermark_in_a_commit_belongs_to_the_committed_offset(pipeline: Pipeline) -> None:
    """For each committed offset the metadata is the highest seq among the records below it."""
    pipeline.create()
    pipeline.fill(6000)
    router, lane = pipeline.start("router"), pipeline.start("lane", poll=300, notify_pause=0.05)
    until(lambda: lane.count("notify") > 600, "some work is done")
    assert (router.stop(), lane.stop()) == (0, 0)
    logs = {name: pipeline.read(name) for name in ("events.a", "notifications.a")}
    marks = pipeline.committed("lane")
    assert marks
    for (topic, partition), mark in marks.items():
        log = logs[topic.removeprefix(pipeline.prefix)][partition]
        seqs = [SEQ.unpack_from(record.value or b"")[0] for record in log if record.offset < mark.offset]
        assert mark.taken == max(seqs, default=-1)


def test_a_record_that_the_broker_refuses_stops_without_a_commit_behind_it(pipeline: Pipeline) -> None:
    """Too large for the topic though not for the client: exit 70; after the topic is repaired nothing is missing."""
    pipeline.create(notifications_a={"max.message.bytes": "20000"})
    pipeline.fill(400)
    pipeline.fill(PARTITIONS * 4, seed=2, size=30_000, duplicates=0.0, dense=True)
    pipeline.fill(4000, seed=3)
    router, lane = pipeline.start("router"), pipeline.start("lane")
    assert lane.process.wait(40) == EXIT_FAILED
    assert "Broker: Message size too large" in lane.log.read_text()
    committed = {source: mark for source, mark in pipeline.committed("lane").items() if "events.a" in source[0]}
    for (_, partition), mark in committed.items():
        below = [record for record in pipeline.read("events.a")[partition] if record.offset < mark.offset]
        passed = pipeline.read("notifications.a")[partition]
        assert {record.value for record in below} <= {record.value for record in passed}
    assert router.stop() == 0
    entry = ConfigEntry("max.message.bytes", "1048588", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource("TOPIC", f"{pipeline.prefix}notifications.a", incremental_configs=[entry])
    for changed in pipeline.admin.incremental_alter_configs([resource]).values():
        changed.result()
    _settle(pipeline)


def test_a_deleted_output_topic_stops_the_worker(pipeline: Pipeline) -> None:
    """Exit 70, and the committed offsets stay below what could not be delivered."""
    pipeline.create()
    pipeline.fill(2000)
    router = pipeline.start("router")
    lane = pipeline.start("lane", producer={"topic.metadata.propagation.max.ms": 2000})
    pipeline.drain()
    before = {source: mark for source, mark in pipeline.committed("lane").items() if "events.a" in source[0]}
    pipeline.delete("notifications.a")
    pipeline.fill(2000, seed=2)
    assert lane.process.wait(60) == EXIT_FAILED
    after = {source: mark for source, mark in pipeline.committed("lane").items() if "events.a" in source[0]}
    assert after == before
    assert router.stop() == 0


def test_a_stopped_partition_stands_alone_through_rebalances(pipeline: Pipeline) -> None:
    """Members come and go without waiting for it, the others are worked off; a repaired worker goes on from there."""
    pipeline.create()
    pipeline.fill(8000, duplicates=0.0)
    router = pipeline.start("router")
    until(lambda: pipeline.lag("router") == 0, "the router is done")
    ends = pipeline.ends("events.a")
    at = f"{pipeline.prefix}events.a"
    waiting = ends[1] - 500

    def lag() -> dict[int, int]:
        marks = pipeline.committed("lane")
        return {
            number: end - marks[at, number].offset if (at, number) in marks else end for number, end in ends.items()
        }

    def only_one_stands() -> bool:
        return all(left >= waiting if number == 1 else left == 0 for number, left in lag().items())

    lane = pipeline.start("lane", stop_partition=1, poll=100)
    until(lambda: lane.assigned() and only_one_stands(), "the other partitions are done", 60)
    until(lambda: lane.last()["partitions"][f"{at}:1"]["stopped"] == "told to stop", "it says why")
    other = pipeline.start("lane", stop_partition=1, poll=100)
    until(lambda: other.assigned() and lane.assigned() == other.assigned(), "each has half of the partitions", 60)
    assert other.stop() == 0
    until(lambda: lane.assigned() == 2 * PARTITIONS, "one has all of them", 60)
    assert only_one_stands()
    assert lane.alive()
    assert lane.stop() == 0
    assert router.stop() == 0
    _settle(pipeline)
