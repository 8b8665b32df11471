"""The systems that do the job: how each is started, and how its lanes are read."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from bench.route.oracle import Read, read_as_it_came, read_envelope
from deploy.local import tools
from streams.policies import policies
from streams.topology import Topology

ROOT: Final = Path(__file__).parents[2]
MADE: Final = ROOT / ".local" / "bench"  # by make
LOCKSTEP: Final = "lockstep"


class Scene(NamedTuple):
    """What a run is given. `prefix` is that of all its topics, `events` are in `ingest`, the first `few` in `short`."""

    servers: str
    topology: Topology
    prefix: str
    directory: Path
    events: int
    few: int
    began: Mapping[str, datetime]  # by topic

    def topic(self, name: str) -> str:
        """A topic's full name."""
        return self.prefix + name


class System(NamedTuple):
    """One that does the job. A slow one gets the few events only; `markers` are records in its lanes without event."""

    name: str
    command: Callable[[], list[str]]
    read: Read = read_as_it_came
    slow: bool = False
    markers: int = 0
    store: str = ""

    def lanes(self, scene: Scene) -> list[str]:
        """Its topics, in the order of the lanes."""
        stem = "events" if self.name == LOCKSTEP else self.name
        return [scene.topic(f"{stem}.{lane}") for lane in scene.topology.lane_names()]

    def ingest(self, scene: Scene) -> str:
        """The topic that it reads, without prefix."""
        return "short" if self.slow else "ingest"

    def environment(self, scene: Scene) -> dict[str, str]:
        """Of its process."""
        state = scene.directory / f"{self.name}-state"
        state.mkdir(parents=True)
        if self.name == LOCKSTEP:
            return {
                "LOCKSTEP_KAFKA__SERVERS": scene.servers, "LOCKSTEP_TOPIC_PREFIX": scene.prefix,
                "LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml"), "LOCKSTEP_DATA_DIR": str(state),
                "LOCKSTEP_HEALTH__PORT": "0",
            }  # fmt: skip
        rules = policies(scene.topology).items()
        return {
            "JOB_SERVERS": scene.servers,
            "JOB_GROUP": scene.topic(self.name),
            "JOB_INGEST": scene.topic(self.ingest(scene)),
            "JOB_LANES": ",".join(self.lanes(scene)),
            "JOB_RULES": ",".join(f"{name}={policy.lane_at(0)}:{policy.max_age}" for name, policy in rules),
            "JOB_PARTITIONS": str(scene.topology.partitions),
            "JOB_STATE": str(state),
            "JOB_STORE": self.store,
        }


def _module(*arguments: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-m", *arguments]


def _quix() -> list[str]:
    return [str(MADE / "python" / "bin" / "python"), "-m", "bench.peers.quix"]


def _kafka_streams() -> list[str]:
    classes = MADE / "kafka-streams"
    return [str(tools.java()), "-cp", os.pathsep.join([f"{classes}/classes", f"{classes}/jars/*"]),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "Route"]  # fmt: skip


def systems(topology: Topology) -> list[System]:
    """All, lockstep first; the router's producer begins with a marker in each partition of each lane."""
    markers = len(topology.lanes) * topology.partitions
    return [
        System(LOCKSTEP, _module("edge.cli", "run", "router"), read_envelope, markers=markers),
        System(
            "stock-faust", _module("bench.peers.stock_faust", "worker", "--without-web", "--loglevel=warn"), slow=True
        ),
        System("quixstreams", _quix),
        System("kafka-streams", _kafka_streams, store="rocksdb"),
        System("kafka-streams-memory", _kafka_streams, store="memory"),
        System("raw", _module("bench.peers.raw")),
    ]
