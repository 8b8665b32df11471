"""Apache Kafka in KRaft mode: broker and controller in one process."""

import base64
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from deploy.local.server import Server, ask

HEAP = ["-Xms256m", "-Xmx1g", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:+ExitOnOutOfMemoryError"]
LOG = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
]
_LOG_LEVEL = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


class Quorum(NamedTuple):
    """Which node of a cluster this is, counted from 1, the ports of all its controllers, and the cluster's id."""

    node: int
    controllers: tuple[int, ...]
    cluster: str


def fresh_cluster() -> str:
    """An id for a cluster."""
    return base64.urlsafe_b64encode(b"lock" + uuid.uuid4().bytes[:12]).decode().rstrip("=")


def properties(data: Path, port: int, quorum: Quorum) -> Mapping[str, str | int]:
    """The broker's configuration: a quick boot, and limits that suit tests of faults.

    A single node keeps one copy of everything, more keep a copy each and take a write once two have it.
    """
    copies = len(quorum.controllers)
    voters = ",".join(f"{node}@127.0.0.1:{at}" for node, at in enumerate(quorum.controllers, 1))
    controller_port = quorum.controllers[quorum.node - 1]
    return {
        "process.roles": "broker,controller",
        "node.id": quorum.node,
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * 1024 * 1024,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": copies,
        "min.insync.replicas": min(2, copies),
        "unclean.leader.election.enable": "false",
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": min(2, copies),
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": min(2, copies),
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A broker that was killed may not come back before its old session is over.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "num.io.threads": 4,
        "num.network.threads": 2,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }


def server(directory: Path, port: int, controller_port: int, java: str, jars: Path) -> Server:
    """A Kafka of one node that keeps its state in `directory`."""
    return node(directory, port, Quorum(1, (controller_port,), fresh_cluster()), java, jars)


def node(
    directory: Path,
    port: int,
    quorum: Quorum,
    java: str,
    jars: Path,
    more: Mapping[str, str] = MappingProxyType({}),
    passwords: Mapping[str, str] = MappingProxyType({}),
) -> Server:
    """One node of a Kafka; it keeps its state in `directory`. `more` is added to its configuration.

    `passwords` of users that SCRAM-SHA-512 knows from the start, by name.
    """
    data, configuration = directory / "data", directory / "server.properties"
    values = {**properties(data, port, quorum), **more}
    users = [f"--add-scram=SCRAM-SHA-512=[name={name},password={each}]" for name, each in passwords.items()]
    run = [java, *HEAP, *LOG, _LOG_LEVEL, f"-XX:ErrorFile={directory}/hs_err_%p.log", "-cp", f"{jars}/*"]
    return Server(
        "kafka",
        port,
        command=[*run, "kafka.Kafka", str(configuration)],
        answers=answers,
        files={configuration: "".join(f"{key}={value}\n" for key, value in values.items())},
        setup=(
            [*run, "kafka.tools.StorageTool", "format", "-t", quorum.cluster, "-c", str(configuration), *users],
            data / "meta.properties",
        ),
    )


def answers(port: int) -> bool:
    """Whether a broker answers a metadata request (version 1, no topics) and lists itself, so that it takes part."""
    header = struct.pack(">hhih", 3, 1, 1, 8) + b"lockstep"
    request = header + struct.pack(">i", 0)
    answer = ask(port, struct.pack(">i", len(request)) + request, 12)
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
