"""`lockstep topics` against a real cluster: what it makes, what it changes, what it refuses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from streams.admin import AdminError, Change, apply, ingest_topic_id, plan
from streams.check import load
from streams.settings import Kafka, Settings
from streams.topology import Topology
from tests.topics import create

TEXT = (Path(__file__).parents[2] / "topics.yaml").read_text()


@pytest.fixture
def settings(kafka: str, prefix: str) -> Settings:
    """Settings whose topics no other test has."""
    return Settings(topic_prefix=prefix, kafka=Kafka(servers=kafka))


def topology(text: str = TEXT) -> Topology:
    """The shipped topology, or a changed one."""
    return load(text, "topics.yaml", handlers=False)


@pytest.fixture
def admin(kafka: str) -> Any:
    """A client of the test's own."""
    return AdminClient({"bootstrap.servers": kafka})


def names(admin: Any, settings: Settings) -> set[str]:
    """The topics of this test that are on the cluster."""
    return {name for name in admin.list_topics(timeout=10).topics if name.startswith(settings.topic_prefix)}


def test_everything_is_made_and_then_nothing_is_left(settings: Settings, admin: Any) -> None:
    """On an empty cluster the plan is every topic; once applied, the plan is empty and the topics are there."""
    changes = plan(topology(), settings)
    assert {change.kind for change in changes} == {"create"}
    assert str(changes[0]).startswith(f"+ {settings.topic_prefix}ingest: 8 partitions, replication 1, cleanup.policy=")
    apply(changes, settings)
    assert names(admin, settings) == {settings.topic_prefix + topic.name for topic in topology().all_topics()}
    assert plan(topology(), settings) == []


def test_second_apply_of_an_old_plan_does_no_harm(settings: Settings) -> None:
    """Two operators may apply at once: a topic that is there already is taken as made."""
    changes = [change for change in plan(topology(), settings) if change.topic.endswith("ingest")]
    apply(changes, settings)
    before = ingest_topic_id(settings)
    apply(changes, settings)
    assert ingest_topic_id(settings) == before


def test_only_what_differs_is_configured(settings: Settings, admin: Any) -> None:
    """A changed retention is one change of one setting; what topics.yaml does not name is left as it is."""
    name = settings.topic_prefix + "outcomes"
    own = {"segment.ms": "600000", "retention.ms": "1000", "message.timestamp.type": "LogAppendTime"}
    create(admin, [NewTopic(name, 8, 1, config=own)])
    changes = [change for change in plan(topology(), settings) if change.topic == name]
    assert [change.kind for change in changes] == ["configure"]
    assert changes[0].config["retention.ms"] == str(7 * 86_400_000)
    assert "message.timestamp.type" not in changes[0].config
    assert f"~ {name}: " in str(changes[0])
    assert "retention.ms 1000 -> 604800000" in str(changes[0])
    apply(changes, settings)
    assert not [change for change in plan(topology(), settings) if change.topic == name]
    assert segment_ms(admin, name) == "600000"


def segment_ms(admin: Any, name: str) -> str:
    """A setting of a topic that topics.yaml does not name."""
    resource = ConfigResource(ResourceType.TOPIC, name)
    entries = admin.describe_configs([resource])[resource].result()
    return str(entries["segment.ms"].value)


def test_partitions_and_replicas_are_never_changed(settings: Settings, admin: Any) -> None:
    """Another number of partitions or replicas is refused with what to do, and then nothing at all is applied."""
    name = settings.topic_prefix + "ingest"
    create(admin, [NewTopic(name, 4, 1)])
    changes = plan(topology(TEXT.replace("replication: 1", "replication: 3")), settings)
    refused = [change for change in changes if change.kind == "refused"]
    assert [change.topic for change in refused] == [name, name]
    assert str(refused[0]).startswith(f"! {name}: has 4 partitions, topics.yaml says 8. The number never changes")
    assert "has 1 replicas, topics.yaml says 3" in str(refused[1])
    with pytest.raises(AdminError, match="has 4 partitions"):
        apply(changes, settings)
    assert names(admin, settings) == {name}


def test_what_the_cluster_refuses_is_one_line(settings: Settings) -> None:
    """Three replicas on a cluster of one broker: the broker's word, with the address and the topic."""
    change = Change(topic=settings.topic_prefix + "x", kind="create", partitions=1, replication=3)
    with pytest.raises(AdminError, match=rf"^Kafka at {settings.kafka.servers}: .*eplication") as caught:
        apply([change], settings)
    assert "\n" not in str(caught.value)
    assert change.topic in str(caught.value)


def test_topic_id_is_the_clusters_and_a_missing_topic_says_what_to_run(settings: Settings, admin: Any) -> None:
    """The id is the first four bytes of the topic's, and changes when the topic is made anew."""
    with pytest.raises(AdminError, match=r"no topic '.*ingest' on .*: run lockstep topics apply"):
        ingest_topic_id(settings)
    name = settings.topic_prefix + "ingest"
    changes = [change for change in plan(topology(), settings) if change.topic == name]
    apply(changes, settings)
    first = ingest_topic_id(settings)
    assert len(first) == 4
    assert first == ingest_topic_id(settings)
    admin.delete_topics([name])[name].result()
    apply(changes, settings)
    deadline = time.monotonic() + 30
    while ingest_topic_id(settings) == first:  # until the broker has heard of it from the controller
        assert time.monotonic() < deadline


def test_no_cluster_and_unknown_properties_are_one_line() -> None:
    """An address where nothing listens and a property that librdkafka does not know are named."""
    with pytest.raises(AdminError, match=r"^Kafka at 127\.0\.0\.1:1: "):
        plan(topology(), Settings(kafka=Kafka(servers="127.0.0.1:1")))
    with pytest.raises(AdminError, match='LOCKSTEP_KAFKA__SECURITY: No such configuration property: "foo"'):
        plan(topology(), Settings(kafka=Kafka(security={"foo": "bar"})))
