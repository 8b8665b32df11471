"""What the rule of the watermark makes of each topic between stages: every event once, in the order of `ingest`."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from streams.envelope import Envelope, Push, decode_envelope, decode_push, offset_of
from tests.e2e.load import LANE_OF, plan
from tests.e2e.run import ACCOUNTS
from tests.e2e.system import System
from tests.integration.transport.pipeline import watermark_rule

LANES = ("critical", "high", "normal", "low")
#: Offsets in `ingest` by partition.
Offsets = Mapping[int, list[int]]


def wanted(system: System) -> Mapping[str, Offsets]:
    """For each lane the offsets of the good events in `ingest`: those whose id is new, and that are not too old."""
    lanes: dict[str, dict[int, list[int]]] = {lane: defaultdict(list) for lane in LANES}
    seen = set()
    for partition, offset, value, _ in system.read("ingest"):
        event = json.loads(value or b"")
        planned = plan(int(event["id"][1:]), ACCOUNTS)
        if planned.id not in seen and planned.kind == "good":
            lanes[LANES[LANE_OF[planned.type]]][partition].append(offset)
        seen.add(planned.id)
    return lanes


def taken(system: System, topic: str) -> tuple[dict[int, list[int]], int]:
    """Offsets that the stage behind a topic takes, as the topic stands; and the copies that it drops."""
    read = decode_push if topic.startswith("push.") else decode_envelope
    found = {partition: list(seqs) for partition, seqs in _positions(system, topic, read).items()}
    kept = {partition: [offset_of(seq) for seq in watermark_rule(seqs)] for partition, seqs in found.items()}
    return kept, sum(len(found[partition]) - len(kept[partition]) for partition in found)


def _positions(system: System, topic: str, read: Callable[[bytes], Envelope | Push]) -> Mapping[int, Iterable[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for partition, _, value, _ in system.read(topic):
        if value is not None:  # else a marker
            found[partition].append(read(value).seq)
    return found


def check(system: System) -> int:
    """Each topic of each lane holds each good event once, in order, but for copies; how many of these there are."""
    copies = 0
    for lane, offsets in wanted(system).items():
        for topic in (f"events.{lane}", f"notifications.{lane}"):
            found, more = taken(system, topic)
            assert found == {partition: at for partition, at in offsets.items() if at}, topic
            copies += more
        pushed, more = taken(system, f"push.socket.{lane}")
        for partition, at in pushed.items():
            assert at == sorted(set(at) & set(offsets[partition])), f"push.socket.{lane}"
        copies += more
    return copies
