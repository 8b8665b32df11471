"""Apache Kafka in KRaft mode: broker and controller in one process."""

import base64
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path

from deploy.local.server import Server, ask

HEAP = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Xshare:auto", "-XX:+ExitOnOutOfMemoryError"]
LOG = [
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
]
_LOG_LEVEL = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"


def properties(data: Path, port: int, controller_port: int) -> Mapping[str, str | int]:
    """The broker's configuration: one node, a quick boot, and limits that suit tests of faults."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "message.max.bytes": 2 * 1024 * 1024,
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
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
    """A Kafka that keeps its state in `directory`."""
    data, configuration = directory / "data", directory / "server.properties"
    values = properties(data, port, controller_port)
    run = [java, *HEAP, *LOG, _LOG_LEVEL, f"-XX:ErrorFile={directory}/hs_err_%p.log", "-cp", f"{jars}/*"]
    cluster = base64.urlsafe_b64encode(b"lock" + uuid.uuid4().bytes[:12]).decode().rstrip("=")
    return Server(
        "kafka",
        port,
        command=[*run, "kafka.Kafka", str(configuration)],
        answers=answers,
        files={configuration: "".join(f"{key}={value}\n" for key, value in values.items())},
        setup=(
            [*run, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(configuration)],
            data / "meta.properties",
        ),
    )


def answers(port: int) -> bool:
    """Whether a broker answers a metadata request (version 1, no topics) and lists itself, so that it takes part."""
    header = struct.pack(">hhih", 3, 1, 1, 8) + b"lockstep"
    request = header + struct.pack(">i", 0)
    answer = ask(port, struct.pack(">i", len(request)) + request, 12)
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
