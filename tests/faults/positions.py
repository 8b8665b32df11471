"""What the rule of the watermark makes of each topic between stages: every event once, in the order of `ingest`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping

from streams.envelope import decode_envelope, decode_push, is_tick, offset_of
from streams.marker import without_markers
from streams.murmur2 import partition_for
from streams.outcomes import decode_outcomes
from streams.transport.client import RawRecord, read_partition
from tests.e2e.load import LANE_OF, plan
from tests.e2e.run import ACCOUNTS
from tests.e2e.system import System
from tests.integration.transport.pipeline import watermark_rule
from tests.unit.fakes import shipped_topology

LANES = shipped_topology().lane_names()
PARTITIONS = shipped_topology().partitions
#: Offsets in `ingest` by partition.
Offsets = Mapping[int, set[int]]


def records(system: System, name: str) -> Iterator[tuple[int, list[RawRecord]]]:
    """The records of each partition, without markers and ticks."""
    for partition in range(PARTITIONS):
        found = without_markers(list(read_partition(system.kafka, system.topic(name), partition, 0)))
        yield partition, [record for record in found if not is_tick(record.value)]


def wanted(system: System) -> Mapping[str, Offsets]:
    """For each lane the offsets of the good events in `ingest`: those whose id is new, and that are not too old."""
    lanes: dict[str, dict[int, set[int]]] = {lane: defaultdict(set) for lane in LANES}
    seen = set()
    for partition, found in records(system, "ingest"):
        for record in found:
            planned = plan(int(json.loads(record.value or b"")["id"][1:]), ACCOUNTS)
            if planned.id not in seen and planned.kind == "good":
                lanes[LANES[LANE_OF[planned.type]]][partition].add(record.offset)
            seen.add(planned.id)
    return lanes


def merged(system: System) -> Offsets:
    """The offsets of the events that became part of another's notification."""
    found: dict[int, set[int]] = defaultdict(set)
    for _, of_partition in records(system, "outcomes"):
        for record in of_partition:
            for outcome in decode_outcomes(record.value or b"").outcomes:
                if outcome.kind == "merged":
                    found[partition_for(outcome.account.encode(), PARTITIONS)].add(offset_of(outcome.seq))
    return found


def taken(system: System, name: str) -> tuple[Offsets, int]:
    """The offsets of the events that the stage behind a topic takes, as the topic stands, and the copies it drops."""
    read = decode_push if name.startswith("push.") else decode_envelope
    kept: dict[int, set[int]] = {}
    copies = 0
    for partition, found in records(system, name):
        seqs = [read(record.value or b"").seq for record in found]
        kept[partition] = {offset_of(seq) for seq in watermark_rule(seqs)}
        copies += len(seqs) - len(kept[partition])
    return kept, copies


def check(system: System) -> int:
    """Behind each topic each good event is taken once, in order, and nothing else; how many copies are dropped."""
    folded = merged(system)
    copies = 0
    for lane, good in wanted(system).items():
        for name in (f"events.{lane}", f"notifications.{lane}", f"push.socket.{lane}"):
            found, more = taken(system, name)
            copies += more
            for partition, offsets in found.items():
                where = f"{name}[{partition}]"
                assert offsets <= good[partition], where
                if name.startswith("events."):
                    assert offsets == good[partition], where
                if name.startswith("notifications."):
                    assert good[partition] - offsets <= folded[partition], where
    return copies
