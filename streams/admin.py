"""Topics of the cluster against topics.yaml: shows the difference and makes it; deletes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from streams.settings import Kafka, Settings
from streams.topology import Topic, Topology

T = TypeVar("T")
INGEST: Final = "ingest"
_REQUEST: Final = 10.0  # s, one request
_AT_ONCE: Final = 20  # topics that one request makes: a busy controller takes a while for each
_PATIENCE: Final = 30.0  # s, all tries of a request
_SERVED: Final = 120.0  # s, until what was made is there: brokers open some hundred partitions one after the other
_WORD: Final = 1 << 64


class AdminError(Exception):
    """The cluster cannot be asked or refuses; the message is one line."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a topic lacks. `refused` is never made: it says what the operator has to do."""

    topic: str  # with prefix
    kind: Literal["create", "configure", "refused"]
    partitions: int = 0
    replication: int = 0
    config: dict[str, str] = {}
    before: dict[str, str] = {}
    reason: str = ""

    def __str__(self) -> str:
        if self.kind == "refused":
            return f"! {self.topic}: {self.reason}"
        if self.kind == "create":
            settings = " ".join(f"{name}={value}" for name, value in self.config.items())
            return f"+ {self.topic}: {self.partitions} partitions, replication {self.replication}, {settings}"
        settings = ", ".join(f"{name} {self.before.get(name)} -> {value}" for name, value in self.config.items())
        return f"~ {self.topic}: {settings}"


def plan(topology: Topology, settings: Settings) -> list[Change]:
    """What the cluster lacks, in the order of topics.yaml. Raises AdminError."""
    cluster = _Cluster(settings.kafka)
    wanted = [topic._replace(name=settings.topic_prefix + topic.name) for topic in topology.all_topics()]
    found = cluster.describe([topic.name for topic in wanted])
    configs = cluster.configs(list(found))
    changes: list[Change] = []
    for topic in wanted:
        if topic.name in found:
            replicas = [len(partition.replicas) for partition in found[topic.name].partitions]
            changes += compare(topic, replicas, configs[topic.name])
        else:
            changes.append(_creation(topic))
    return changes


def compare(topic: Topic, replicas: list[int], config: Mapping[str, str]) -> list[Change]:
    """What differs in a topic that is there: `replicas` of each partition, and its configuration."""
    changes = []
    if len(replicas) != topic.partitions:
        reason = (
            f"has {len(replicas)} partitions, topics.yaml says {topic.partitions}. The number never changes: accounts "
            "would move to other partitions. Say the old number, or drain the topic and make a new one"
        )
        changes.append(Change(topic=topic.name, kind="refused", reason=reason))
    if set(replicas) != {topic.replication}:
        shown = " to ".join(map(str, sorted({min(replicas), max(replicas)})))
        reason = f"has {shown} replicas, topics.yaml says {topic.replication}: use kafka-reassign-partitions.sh"
        changes.append(Change(topic=topic.name, kind="refused", reason=reason))
    differing = _differing(topic.config, config)
    if differing:
        before = {name: config.get(name, "unset") for name in differing}
        changes.append(Change(topic=topic.name, kind="configure", config=differing, before=before))
    return changes


def apply(changes: Iterable[Change], settings: Settings) -> None:
    """Make the changes and wait until the cluster shows them. Raises AdminError, at once if one is refused."""
    changes = list(changes)
    refused = [change for change in changes if change.kind == "refused"]
    if refused:
        raise AdminError("; ".join(f"{change.topic} {change.reason}" for change in refused))
    cluster = _Cluster(settings.kafka)
    creations = [change for change in changes if change.kind == "create"]
    if creations:
        cluster.create(creations)
    updates = [change for change in changes if change.kind == "configure"]
    if updates:
        cluster.configure(updates)


def ingest_topic_id(settings: Settings) -> bytes:
    """First four bytes of the id that the cluster gave to the topic `ingest`. Raises AdminError where there is none."""
    return topic_ids(settings, [INGEST])[INGEST][:4]


def topic_ids(settings: Settings, names: Iterable[str]) -> dict[str, bytes]:
    """First eight bytes of the id that the cluster gave to each topic, named without prefix: made anew it has another.

    Raises AdminError where one is not there.
    """
    full = {settings.topic_prefix + name: name for name in names}
    found = _Cluster(settings.kafka).describe(list(full))
    for name in full:
        if name not in found:
            raise AdminError(f"no topic {name!r} on {settings.kafka.servers}: run lockstep topics apply")
    return {
        short: int(found[name].topic_id.get_most_significant_bits() % _WORD).to_bytes(8, "big")
        for name, short in full.items()
    }


def committed(settings: Settings, group: str) -> dict[tuple[str, int], int]:
    """Up to which offset a group has committed each (topic, partition) that it has read. Raises AdminError."""
    return _Cluster(settings.kafka).committed(group)


def _creation(topic: Topic) -> Change:
    return Change(
        topic=topic.name,
        kind="create",
        partitions=topic.partitions,
        replication=topic.replication,
        config=topic.config,
    )


class _Cluster:
    """An admin client that says nothing on stderr: what it cannot do is raised as AdminError."""

    def __init__(self, kafka: Kafka) -> None:
        self._servers = kafka.servers
        quiet = {"log_level": 0, "error_cb": lambda _: None}
        try:
            self._client: Any = AdminClient({"bootstrap.servers": kafka.servers, **kafka.security, **quiet})
        except KafkaException as error:
            raise AdminError(f"LOCKSTEP_KAFKA__SECURITY: {error.args[0].str()}") from error

    def describe(self, names: list[str]) -> dict[str, Any]:
        """Descriptions of the topics that are there."""

        def request() -> dict[str, Any]:
            found: dict[str, Any] = {}
            for name, future in self._client.describe_topics(TopicCollection(names), request_timeout=_REQUEST).items():
                try:
                    found[name] = future.result()
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                        raise
            return found

        return self._ask(request)

    def configs(self, names: list[str]) -> dict[str, dict[str, str]]:
        """Configuration of topics that are there, defaults included."""
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
        if not resources:
            return {}
        answers = self._ask(lambda: _results(self._client.describe_configs(resources, request_timeout=_REQUEST)))
        return {
            resource.name: {name: entry.value for name, entry in entries.items() if entry.value is not None}
            for resource, entries in answers.items()
        }

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """What a group has committed; nothing where there is no such group."""
        wanted = [ConsumerGroupTopicPartitions(group)]

        def request() -> list[Any]:
            answers = _results(self._client.list_consumer_group_offsets(wanted, request_timeout=_REQUEST))
            found: list[Any] = answers[group].topic_partitions
            return found

        return {(tp.topic, tp.partition): tp.offset for tp in self._ask(request) if tp.offset >= 0}

    def create(self, creations: list[Change]) -> None:
        """Make topics and wait until they are there."""
        for begin in range(0, len(creations), _AT_ONCE):
            self._create({change.topic: change for change in creations[begin : begin + _AT_ONCE]})
        _until(lambda: self._answer(creations), "the cluster does not serve the new topics yet; try again")

    def _create(self, left: dict[str, Change]) -> None:
        def request() -> None:
            topics = [_new(change) for change in left.values()]
            for name, future in self._client.create_topics(topics, request_timeout=_REQUEST).items():
                try:
                    future.result()
                except KafkaException as error:
                    kafka_error = error.args[0]
                    if kafka_error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                        pass  # an apply beside this one was quicker
                    elif kafka_error.retriable():
                        raise
                    else:
                        raise AdminError(f"Kafka at {self._servers}: {name}: {kafka_error.str()}") from error
                del left[name]

        self._ask(request)

    def _answer(self, creations: list[Change]) -> bool:
        """Whether the leader of every partition of new topics serves it."""
        wanted = {
            TopicPartition(change.topic, partition): OffsetSpec.latest()
            for change in creations
            for partition in range(change.partitions)
        }
        try:
            self._client.list_topics(timeout=_REQUEST)  # or it goes on believing that a topic is not there yet
            _results(self._client.list_offsets(wanted, request_timeout=_REQUEST))
        except KafkaException:
            return False
        return True

    def configure(self, updates: list[Change]) -> None:
        """Set what differs, and nothing else, and wait until it shows."""
        resources = [_resource(change) for change in updates]
        self._ask(lambda: _results(self._client.incremental_alter_configs(resources, request_timeout=_REQUEST)))

        def shown() -> bool:
            configs = self.configs([change.topic for change in updates])
            return not any(_differing(change.config, configs[change.topic]) for change in updates)

        _until(shown, "changed settings are not shown by the cluster")

    def _ask(self, request: Callable[[], T]) -> T:
        """The answer to a request, tried again while the cluster says "later"."""
        deadline = time.monotonic() + _PATIENCE
        pause = 0.1
        while True:
            try:
                return request()
            except KafkaException as error:
                kafka_error = error.args[0]
                if not kafka_error.retriable() or time.monotonic() > deadline:
                    raise AdminError(f"Kafka at {self._servers}: {kafka_error.str()}") from error
            time.sleep(pause)
            pause = min(2 * pause, 2.0)


def _new(change: Change) -> Any:
    return NewTopic(
        change.topic,
        num_partitions=change.partitions,
        replication_factor=change.replication,
        config=change.config,
    )


def _resource(change: Change) -> Any:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in change.config.items()
    ]
    return ConfigResource(ResourceType.TOPIC, change.topic, incremental_configs=entries)


def _differing(wanted: Mapping[str, str], config: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if _normal(config.get(name)) != _normal(value)}


def _normal(value: str | None) -> list[str] | None:
    """Lists of policies have no order."""
    return None if value is None else sorted(part.strip() for part in value.split(","))


def _results(futures: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: future.result() for key, future in futures.items()}


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _SERVED
    while not holds():
        if time.monotonic() > deadline:
            raise AdminError(otherwise)
        time.sleep(0.1)
