"""An operator sets a group back, and the watermark is gone with the metadata: only repeats, no loss, no silence."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from streams.transport import EXIT_FAILED
from streams.transport.mark import NOTHING_TAKEN, Mark
from tests.integration.transport.pipeline import PARTITIONS, Pipeline, until

LIMIT = 200  # copies in a row


def settled(pipeline: Pipeline) -> None:
    """Events have passed through, everything is committed, nobody runs."""
    pipeline.create()
    pipeline.fill(6000)
    router, lane = pipeline.start("router"), pipeline.start("lane")
    pipeline.drain()
    assert (router.stop(), lane.stop()) == (0, 0)


def reset(pipeline: Pipeline, group: str, *names: str) -> None:
    """Back to the beginning, as `kafka-consumer-groups --reset-offsets --to-earliest` does: without metadata."""
    topics = [pipeline.prefix + name for name in names]
    back = [TopicPartition(topic, partition, 0) for topic in topics for partition in range(PARTITIONS)]
    request = ConsumerGroupTopicPartitions(pipeline.prefix + group, back)
    for done in pipeline.admin.alter_consumer_group_offsets([request]).values():
        done.result()
    for source, mark in pipeline.committed(group).items():
        assert source[0] not in topics or mark == Mark(0, NOTHING_TAKEN)


def goes_on(pipeline: Pipeline) -> None:
    """With a limit that is high enough new events pass; everything is there, once and in order by the rule."""
    pipeline.fill(2000, seed=2)
    router, lane = pipeline.start("router"), pipeline.start("lane")
    pipeline.drain()
    assert (router.stop(), lane.stop()) == (0, 0)
    pipeline.check()


def test_a_reset_of_one_topic_is_stopped_by_the_stage_behind_it(pipeline: Pipeline) -> None:
    """`notify` takes everything again; `store` meets nothing but copies, says what to do, and commits none of them."""
    settled(pipeline)
    before = {source: mark for source, mark in pipeline.committed("lane").items() if "notifications.a" in source[0]}
    reset(pipeline, "lane", "events.a")
    lane = pipeline.start("lane", copies=LIMIT, commit_interval=60.0)
    assert lane.process.wait(60) == EXIT_FAILED
    log = lane.log.read_text()
    assert "notifications.a[" in log
    assert f"{LIMIT + 1} copies in a row" in log
    after = {source: mark for source, mark in pipeline.committed("lane").items() if "notifications.a" in source[0]}
    assert after == before
    pipeline.check()
    goes_on(pipeline)


def test_a_reset_of_the_router_is_stopped_by_the_lanes(pipeline: Pipeline) -> None:
    """Ingest again from its beginning: the same positions, so the same copies one stage further."""
    settled(pipeline)
    reset(pipeline, "router", "ingest")
    router, lane = pipeline.start("router"), pipeline.start("lane", copies=LIMIT)
    assert lane.process.wait(60) == EXIT_FAILED
    assert "events.a[" in lane.log.read_text()
    assert router.stop() == 0
    pipeline.check()
    goes_on(pipeline)


def test_a_reset_of_a_whole_group_repeats_and_loses_nothing(pipeline: Pipeline) -> None:
    """Both stages start low: what was pushed is pushed again, then the copies of `notify` stop `store`."""
    settled(pipeline)
    pushed = sum(pipeline.ends("push.a").values())
    reset(pipeline, "lane", "events.a", "notifications.a")
    lane = pipeline.start("lane", copies=LIMIT)
    assert lane.process.wait(60) == EXIT_FAILED
    assert sum(pipeline.ends("push.a").values()) > pushed
    verdicts = pipeline.check()
    assert verdicts["push.a"].copies > 0
    goes_on(pipeline)


def test_ingest_made_anew_under_the_same_epoch_is_found_before_anything_is_taken(pipeline: Pipeline) -> None:
    """Nothing of the old topic is left on the way to tell of it: the commits do. A higher epoch is as it should be."""
    pipeline.create()
    pipeline.fill(2000)
    router, lane = pipeline.start("router", origin="1:aaaa"), pipeline.start("lane", origin="1:aaaa")
    pipeline.drain()
    assert (router.stop(), lane.stop()) == (0, 0)
    before = pipeline.committed("lane")
    lane = pipeline.start("lane", origin="1:bbbb")
    assert lane.process.wait(60) == EXIT_FAILED
    assert "ingest topic 1:aaaa (epoch:id), the cluster's is 1:bbbb" in lane.log.read_text()
    assert pipeline.committed("lane") == before
    lane = pipeline.start("lane", origin="2:bbbb")
    until(lambda: lane.assigned() == 2 * PARTITIONS, "it works")
    assert lane.stop() == 0
