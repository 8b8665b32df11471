"""The topology: topics.yaml as frozen objects. One file drives workers, topics, checks and policies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

Name = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", description="lower case words with - between them")
]
TopicName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z0-9]+([.-]([a-z0-9]+|\{(lane|platform)\}))*$",
        description="lower case words, {lane} or {platform}, with . or - between them",
    ),
]
Handler = Annotated[str, msgspec.Meta(pattern=r"^[a-z_]+(\.[a-z_]+)+$", description="module.function")]
Duration = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(ms|s|m|h|d)$", description="a number and ms, s, m, h or d")]
Size = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(B|KiB|MiB)$", description="a number and B, KiB or MiB")]
Directory = Annotated[str, msgspec.Meta(min_length=1, description="a directory, from that of topics.yaml on")]
Moment = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})$",
        description="a time of RFC 3339 such as 2026-12-01T00:00:00Z",
    ),
]
Merge = Literal["none", "latest", "union"]
#: What a push through a provider is: silent with the data, silent and empty, or a text that the user sees.
Wake = Literal["data", "sync", "alert"]
Count = Annotated[int, msgspec.Meta(ge=1)]

_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}


def milliseconds(duration: str) -> int:
    """`10m` as ms."""
    digits = duration.rstrip("mshd")
    return int(digits) * _MS[duration[len(digits) :]]


def moment_ms(moment: str) -> int:
    """A time of RFC 3339 as ms since 1970. Raises ValueError for a day that is none."""
    return (datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def size_bytes(size: str) -> int:
    """`2MiB` as bytes."""
    digits = size.rstrip("BKiM")
    return int(digits) * _BYTES[size[len(digits) :]]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class LaneSpec(_Strict, frozen=True):
    """How long its workers may wait to fill a batch, reading and writing; length of its merge windows, 0ms for none."""

    linger: Duration
    window: Duration = "0ms"


class PlatformSpec(_Strict, frozen=True):
    """Where pushes of a platform leave: the dotted path of its sink."""

    sink: Handler


class TopicSpec(_Strict, frozen=True):
    """Settings of a topic, or of one topic for each lane and platform. `edge`: what outside lockstep is at one end.

    `platforms`: for which it is made, all unless named.
    """

    retention: Duration
    compression: Literal["producer", "lz4", "zstd", "gzip", "snappy", "uncompressed"]
    max_message: Size
    edge: Literal["producers", "readers"] | None = None
    platforms: tuple[Name, ...] = ()


class TableSpec(_Strict, frozen=True):
    """State of a stage; entries older than `window` are forgotten."""

    window: Duration


class StageSpec(_Strict, frozen=True):
    """A step on an event's way: the dotted path of its handler, the topic it reads, the topics it writes, its table."""

    handler: Handler
    reads: TopicName
    writes: tuple[TopicName, ...]
    table: Name | None = None


class WorkerSpec(_Strict, frozen=True):
    """One Faust app, consumer group and Deployment: these stages, for these lanes and platforms.

    `linger`: how long it waits between two reads that give little; the shortest of its lanes' unless named.
    """

    stages: tuple[Name, ...]
    lanes: tuple[Name, ...] = ()
    platforms: tuple[Name, ...] = ()
    linger: Duration | None = None


class LaneChange(_Strict, frozen=True):
    """A lane that changes: `is`, for events appended to `ingest` at `from` (RFC 3339) or later; before that `was`."""

    now: Name = msgspec.field(name="is")
    start: Moment = msgspec.field(name="from")
    was: Name | LaneChange


Lane = Name | LaneChange


class TypeRule(_Strict, frozen=True):
    """What differs for one event type of a use case."""

    lane: Lane | None = None


class UseCaseSpec(_Strict, frozen=True):
    """Policy of a use case: which event types, how urgent, how long it matters, for which devices.

    `merge_field` names the payload field that `union` folds. `counters` says what numbers in payloads are.
    `wake`: what a push through a provider is.
    """

    types: dict[str, TypeRule]
    lane: Lane
    max_age: Duration
    ttl: Duration
    collapse: Literal["type", "none"]
    merge: Merge
    devices: tuple[Name, ...]
    min_app_version: Annotated[
        str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+){0,2}$", description="up to three numbers with . between them")
    ] = "0"
    merge_field: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    counters: Literal["totals", "deltas"] = "totals"
    wake: Wake = "data"


class Topic(NamedTuple):
    """One topic of the cluster, without prefix. `config` is in Kafka's words."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


class StageBinding(NamedTuple):
    """One agent of a worker: a stage on one topic."""

    stage: str
    handler: str
    topic: str
    table: str | None
    lane: int | None
    platform: str | None


class Topology(_Strict, frozen=True):
    """topics.yaml, whole. Build it with `streams.check.load`, which also proves what types cannot."""

    version: Literal[1]
    epoch: Annotated[int, msgspec.Meta(ge=1, lt=1 << 14)]
    partitions: Count
    replication: Count
    lanes: dict[Name, LaneSpec]
    device_types: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=16)]
    platforms: dict[Name, PlatformSpec]
    topics: dict[TopicName, TopicSpec]
    tables: dict[Name, TableSpec]
    stages: dict[Name, StageSpec]
    workers: dict[Name, WorkerSpec]
    use_cases: dict[Name, UseCaseSpec]
    schemas: Directory | None = None

    def lane_names(self) -> tuple[str, ...]:
        """Lanes, highest first; a lane's number is its place."""
        return tuple(self.lanes)

    def type_bit(self, device_type: str) -> int:
        """The bit of a device type. Raises ValueError for one that is not declared."""
        return 1 << self.device_types.index(device_type)

    def mask(self, device_types: tuple[str, ...]) -> int:
        """The bits of several device types. Raises ValueError."""
        return sum(self.type_bit(name) for name in set(device_types))

    def expand(self, pattern: str, lanes: tuple[str, ...] = (), platforms: tuple[str, ...] = ()) -> list[str]:
        """The topics a name with braces stands for, of all lanes and platforms unless named."""
        names = [bind(pattern, lane, platform) for lane, platform in self._bindings(pattern, lanes, platforms)]
        return list(dict.fromkeys(names))

    def bindings(self, worker: str) -> list[StageBinding]:
        """The agents of a worker: each of its stages on each topic of its lanes and platforms."""
        spec = self.workers[worker]
        return [self._binding(stage, lane, platform)
                for stage in spec.stages
                for lane, platform in self._bindings(self.stages[stage].reads, spec.lanes, spec.platforms)]  # fmt: skip

    def tables_of(self, worker: str) -> tuple[str, ...]:
        """Names of the tables a worker keeps."""
        return tuple(dict.fromkeys(b.table for b in self.bindings(worker) if b.table))

    def all_topics(self) -> Iterator[Topic]:
        """Every topic that must exist, changelogs of tables included."""
        for pattern, spec in self.topics.items():
            for name in self.expand(pattern):
                yield Topic(name, self.partitions, self.replication, self._config(spec))
        for worker in self.workers:
            for table in self.tables_of(worker):
                yield Topic(changelog(worker, table), self.partitions, self.replication, self._changelog_config(table))

    def longest_retention(self) -> int:
        """For how long any topic keeps a record, s."""
        return max(milliseconds(spec.retention) for spec in self.topics.values()) // 1000

    def _binding(self, stage: str, lane: str | None, platform: str | None) -> StageBinding:
        spec = self.stages[stage]
        number = None if lane is None else self.lane_names().index(lane)
        return StageBinding(stage, spec.handler, bind(spec.reads, lane, platform), spec.table, number, platform)

    def _bindings(
        self, pattern: str, lanes: tuple[str, ...], platforms: tuple[str, ...]
    ) -> Iterator[tuple[str | None, str | None]]:
        by_lane = (lanes or tuple(self.lanes)) if "{lane}" in pattern else (None,)
        by_platform = self.platforms_of(pattern, platforms) if "{platform}" in pattern else (None,)
        return product(by_lane, by_platform)

    def platforms_of(self, pattern: str, among: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The platforms that a topic is made for, of all unless some are named; none where there is no such topic."""
        spec = self.topics.get(pattern)
        if spec is None:
            return ()
        return tuple(name for name in among or self.platforms if not spec.platforms or name in spec.platforms)

    def _config(self, spec: TopicSpec) -> dict[str, str]:
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(milliseconds(spec.retention)),
            "compression.type": spec.compression,
            "max.message.bytes": str(size_bytes(spec.max_message)),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(max(1, self.replication - 1)),
        }

    def _changelog_config(self, table: str) -> dict[str, str]:
        """Workers delete their rows, and compaction drops them soon; by age go only rows that no record can need.

        That is the window after the oldest record of a source: a worker that was away needs the rows it left.
        """
        window = milliseconds(self.tables[table].window)
        sources = {stage.reads for stage in self.stages.values() if stage.table == table}
        return {
            "cleanup.policy": "compact,delete",
            "retention.ms": str(window + max(milliseconds(self.topics[name].retention) for name in sources)),
            "delete.retention.ms": "60000",
            "max.compaction.lag.ms": str(max(60_000, window)),
            "segment.ms": str(max(60_000, window // 4)),
            "compression.type": "producer",
            "max.message.bytes": str(_BYTES["MiB"]),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(max(1, self.replication - 1)),
        }


def bind(pattern: str, lane: str | None = None, platform: str | None = None) -> str:
    """A topic's name from its pattern."""
    return pattern.replace("{lane}", lane or "").replace("{platform}", platform or "")


def changelog(app: str, table: str) -> str:
    """Faust's name for the changelog of an app's table (faust/tables/base.py:470)."""
    return f"{app}-{table}-changelog"
