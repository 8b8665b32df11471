"""`python -m bench.route [SYSTEM ...]`: the router beside everything else that can do its job, over one Kafka.

All read the same bytes: decode, drop what is stale or a duplicate, put the rest into four topics. Each runs alone, on a
core of its own; all once in every round. Of each run the second half counts, by the CPU of the process. What a system
put out is checked before its figures count. EVENTS says how many events. The last line is JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from bench.child import end
from bench.measure import Usage, medians, on, report, split, usage
from bench.program import launch
from bench.route.load import fill, good
from bench.route.oracle import wrong
from bench.route.systems import LOCKSTEP, ROOT, Scene, System, systems
from deploy.local.servers import local_servers
from streams.admin import apply, plan
from streams.check import load_file
from streams.policies import policies
from streams.settings import Kafka, Settings
from streams.topology import Topology

EVENTS: Final = 1_000_000
#: A slow system gets one event of so many.
FEW: Final = 8
CORES: Final = split()
#: Seconds that a run may take for each event, and beside.
PATIENCE: Final = 0.002, 90.0
#: Seconds of CPU that the system tells apart; a short run may have used none.
TICK: Final = 0.01
Figures = dict[str, float]


class Lanes:
    """The topics of a system, and how much is in them."""

    def __init__(self, servers: str, topics: Sequence[str], partitions: int) -> None:
        self._admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
        self._places = [TopicPartition(topic, p) for topic in topics for p in range(partitions)]
        self._known = 0

    def records(self) -> int:
        """Records in all partitions; those of the last time while the broker has no leader for one of them."""
        asked: Any = self._admin.list_offsets({place: OffsetSpec.latest() for place in self._places})
        with suppress(KafkaException):
            self._known = sum(answer.result().offset for answer in asked.values())
        return self._known


def prepare(servers: str, topology: Topology, prefix: str, events: int, directory: Path) -> Scene:
    """The topics of a round, and the events in them."""
    settings = Settings(kafka=Kafka(servers=servers), topic_prefix=prefix)
    apply([change for change in plan(topology, settings) if ".push." not in change.topic], settings)
    config = {topic.name: topic.config for topic in topology.all_topics()}
    few = max(1, events // FEW) if events > 20_000 else events
    new = [NewTopic(prefix + "short", topology.partitions, 1, config=config["ingest"])]
    new += [
        NewTopic(topic, topology.partitions, 1, config=config["events.low"])
        for system in systems(topology)
        if system.name != LOCKSTEP
        for topic in system.lanes(Scene(servers, topology, prefix, directory, events, few, {}))
    ]
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
    for made in admin.create_topics(new).values():
        made.result()
    contents = {"ingest": events, "short": few}
    began = {name: fill(servers, prefix + name, many, topology.partitions) for name, many in contents.items()}
    return Scene(servers, topology, prefix, directory, events, few, began)


def run(system: System, scene: Scene) -> Figures:
    """What a system does with the events of a round."""
    events = scene.few if system.slow else scene.events
    expected = sum(1 for _ in good(events, scene.topology.partitions)) + system.markers
    lanes = Lanes(scene.servers, system.lanes(scene), scene.topology.partitions)
    log = scene.directory / f"{system.name}.log"
    environment = {**os.environ, **system.environment(scene)}
    with log.open("wb") as out, on(CORES.measured):
        process = subprocess.Popen(system.command(), env=environment, cwd=ROOT, stdout=out, stderr=out)
    try:
        spent, share = watch(process, lanes, expected, events)
    except Exception as error:
        error.add_note(log.read_text(errors="replace")[-2000:])
        raise
    finally:
        end(process)
    lane_of = {name: policy.lane_at(0) for name, policy in policies(scene.topology).items()}
    found = wrong(scene.servers, system.lanes(scene), scene.topology.partitions, events,
                  scene.began[system.ingest(scene)], lane_of, system.read)  # fmt: skip
    figures = {
        "events_per_cpu_s": share * events / max(spent.cpu_s, TICK),
        "events_per_s": share * events / spent.wall_s,
        "rss_mb": spent.rss_mb,
        "wrong": found,
    }
    shown = "".join(f"{number:>14,.0f} {name}" for name, number in figures.items())
    print(f"{scene.prefix}{system.name:<21}{shown}", flush=True)
    return figures


def watch(process: subprocess.Popen[bytes], lanes: Lanes, expected: int, events: int) -> tuple[Usage, float]:
    """What the second half has cost, and which part of all events it was; of a run too short to be seen, the whole.

    Raises TimeoutError, or RuntimeError for an early end.
    """
    deadline = time.monotonic() + PATIENCE[0] * events + PATIENCE[1]
    since, before = usage([process.pid]), 0
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        records, now = lanes.records(), usage([process.pid])
        if records >= expected:
            return now.since(since), (expected - before) / expected
        if before < expected // 2 <= records:
            since, before = now, records
        if time.monotonic() > deadline:
            raise TimeoutError(f"{records} of {expected} records are there")
        time.sleep(0.02)


def play(servers: str, names: Sequence[str], events: int, rounds: int, prefix: str = "") -> dict[str, list[Figures]]:
    """All rounds: for each system its figures in each. `prefix` is put before the names of all topics."""
    topology = load_file(str(ROOT / "topics.yaml"))
    chosen = [system for system in systems(topology) if not names or system.name in names]
    found: dict[str, list[Figures]] = {system.name: [] for system in chosen}
    for number in range(rounds):
        directory = Path(tempfile.mkdtemp(prefix="lockstep-bench-"))
        try:
            scene = prepare(servers, topology, f"{prefix}round{number}.", events, directory)
            for system in chosen:
                found[system.name].append(run(system, scene))
        finally:
            shutil.rmtree(directory)
        remove(servers, scene.prefix)
    return found


def remove(servers: str, prefix: str) -> None:
    """Delete the topics of a round."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
    mine = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for done in admin.delete_topics(mine).values():
        done.result()


def summary(found: dict[str, list[Figures]], python: Sequence[str]) -> dict[str, object]:
    """The last line: lockstep's medians, and the median over the rounds of its ratio to others, null without them."""
    speed = {name: [run["events_per_cpu_s"] for run in runs] for name, runs in found.items()}

    def ratio(peers: Sequence[str]) -> float | None:
        there = [speed[name] for name in peers if name in speed]
        rounds = zip(speed[LOCKSTEP], zip(*there, strict=True), strict=True) if there else ()
        return round(statistics.median(mine / max(theirs) for mine, theirs in rounds), 3) if there else None

    mine = medians(found[LOCKSTEP])
    return {
        "events_per_cpu_s": round(mine["events_per_cpu_s"]),
        "events_per_s": round(mine["events_per_s"]),
        "ratio_stock_faust": ratio(["stock-faust"]),
        "ratio_best_python_peer": ratio(python),
        "ratio_kafka_streams": ratio(["kafka-streams"]),
        "ratio_raw": ratio(["raw"]),
        "rss_mb": round(mine["rss_mb"]),
        "wrong": sum(int(run["wrong"]) for runs in found.values() for run in runs),
    }


def main() -> int:
    """Run all rounds, print a line for each run and one of JSON."""
    parser = argparse.ArgumentParser(prog="bench.route", description=__doc__)
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="lockstep and peers; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    known = [system.name for system in systems(load_file(str(ROOT / "topics.yaml")))]
    if unknown := sorted(set(arguments.systems) - set(known)):
        parser.error(f"no such system: {unknown[0]}; there are {', '.join(known)}")
    if arguments.systems and LOCKSTEP not in arguments.systems:
        parser.error(f"{LOCKSTEP} must be among the systems: the last line is on it")
    events = int(os.environ.get("EVENTS", EVENTS))
    with on(CORES.servers), local_servers(["kafka"]) as running:
        found = play(running.endpoints.kafka, arguments.systems, events, arguments.rounds)
    return report(summary(found, ["stock-faust", "quixstreams"]))


if __name__ == "__main__":
    launch(main)
