"""What makes topics.yaml a topology, beyond the types of its values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from streams.conform import Mistake, unknown
from streams.document import Path
from streams.policies import lane_steps
from streams.targets import parse_version
from streams.topology import (
    Lane,
    StageSpec,
    Topology,
    UseCaseSpec,
    WorkerSpec,
    bind,
    milliseconds,
    moment_ms,
)

#: The inbox keeps nothing longer.
MAX_TTL_MS: Final = 7 * 86_400_000
_LONGEST_TOPIC: Final = 249
#: Everything in a lane waits for the end of its window, and a crash reads it again.
_LONGEST_WINDOW_MS: Final = 10_000
_LONGEST_LINGER_MS: Final = 1_000


def broken_rules(topology: Topology) -> Iterator[Mistake]:
    """Every mistake in a topology; what its names mean is asked only once all of them are there."""
    names = [mistake for rule in _NAMES for mistake in rule(topology)]
    yield from names
    if not names:
        for rule in _MEANINGS:
            yield from rule(topology)


def _references(topology: Topology) -> Iterator[tuple[Path, str, str, Any]]:
    for name, stage in topology.stages.items():
        path = ("stages", name)
        yield (*path, "reads"), "topic", stage.reads, topology.topics
        for place, topic in enumerate(stage.writes):
            yield (*path, "writes", place), "topic", topic, topology.topics
        if stage.table is not None:
            yield (*path, "table"), "table", stage.table, topology.tables
    for name, spec in topology.topics.items():
        for place, platform in enumerate(spec.platforms):
            yield ("topics", name, "platforms", place), "platform", platform, topology.platforms
    for name, worker in topology.workers.items():
        for field, what, known in (("stages", "stage", topology.stages), ("lanes", "lane", topology.lanes),
                                   ("platforms", "platform", topology.platforms)):  # fmt: skip
            for place, item in enumerate(getattr(worker, field)):
                yield ("workers", name, field, place), what, item, known
    for name, case in topology.use_cases.items():
        path = ("use_cases", name)
        for where, lane in _lanes_of(case):
            yield from (((*path, *place), "lane", found, topology.lanes) for place, found in _named(where, lane))
        for place, device in enumerate(case.devices):
            yield (*path, "devices", place), "device type", device, topology.device_types


def _lanes_of(case: UseCaseSpec) -> Iterator[tuple[Path, Lane]]:
    """Where a use case says its lane, and that of a type."""
    yield ("lane",), case.lane
    for event_type, rule in case.types.items():
        if rule.lane is not None:
            yield ("types", event_type, "lane"), rule.lane


def _named(path: Path, lane: Lane) -> Iterator[tuple[Path, str]]:
    if isinstance(lane, str):
        yield path, lane
    else:
        yield (*path, "is"), lane.now
        yield from _named((*path, "was"), lane.was)


def _unknown_names(topology: Topology) -> Iterator[Mistake]:
    for path, what, name, known in _references(topology):
        if name not in known:
            yield Mistake(path, unknown(what, name, known))


def _repeated(topology: Topology) -> Iterator[Mistake]:
    lists: list[tuple[Path, tuple[str, ...]]] = [(("device_types",), topology.device_types)]
    lists += [(("stages", name, "writes"), stage.writes) for name, stage in topology.stages.items()]
    lists += [(("topics", name, "platforms"), spec.platforms) for name, spec in topology.topics.items()]
    lists += [(("use_cases", name, "devices"), case.devices) for name, case in topology.use_cases.items()]
    for name, worker in topology.workers.items():
        lists += [(("workers", name, "stages"), worker.stages), (("workers", name, "lanes"), worker.lanes),
                  (("workers", name, "platforms"), worker.platforms)]  # fmt: skip
    for path, items in lists:
        for item, number in Counter(items).items():
            if number > 1:
                place = len(items) - 1 - items[::-1].index(item)
                yield Mistake((*path, place), f"{item!r} is named twice")


def _topics(topology: Topology) -> Iterator[Mistake]:
    read_by = {stage.reads for stage in topology.stages.values()}
    written_by = {topic for stage in topology.stages.values() for topic in stage.writes}
    for name, spec in topology.topics.items():
        if spec.platforms and "{platform}" not in name:
            yield Mistake(("topics", name, "platforms"), "its name has no {platform}")
        if name not in read_by and spec.edge != "readers":
            yield Mistake(("topics", name), "no stage reads it; mark it `edge: readers` if something else does")
        if name not in written_by and spec.edge != "producers":
            yield Mistake(("topics", name), "no stage writes it; mark it `edge: producers` if something else does")


def _topic_names(topology: Topology) -> Iterator[Mistake]:
    taken: dict[str, str] = {}
    for pattern in topology.topics:
        for name in topology.expand(pattern):
            if name in taken:
                yield Mistake(("topics", pattern), f"makes the topic {name!r}, as {taken[name]!r} does")
            if len(name) > _LONGEST_TOPIC:
                yield Mistake(("topics", pattern), f"makes a topic name longer than {_LONGEST_TOPIC} characters")
            taken[name] = pattern


def _tables(topology: Topology) -> Iterator[Mistake]:
    users: dict[str, str] = {}
    for name, stage in topology.stages.items():
        if stage.table is not None and users.setdefault(stage.table, name) != name:
            yield Mistake(("stages", name, "table"), f"{stage.table!r} is the table of stage {users[stage.table]!r}")
    for table in topology.tables:
        if table not in users:
            yield Mistake(("tables", table), "no stage has this table")


def _coverage(topology: Topology) -> Iterator[Mistake]:
    """Each stage is run for each lane and platform, by one worker, and reads a topic of its own there."""
    running = {(b.stage, b.topic) for worker in topology.workers for b in topology.bindings(worker)}
    for name, stage in topology.stages.items():
        for lane in topology.lanes if "{lane}" in stage.reads else (None,):
            for platform in topology.platforms_of(stage.reads) if "{platform}" in stage.reads else (None,):
                topic = bind(stage.reads, lane, platform)
                if (name, topic) not in running:
                    yield _idle(name, topic, lane, platform)


def _idle(stage: str, topic: str, lane: str | None, platform: str | None) -> Mistake:
    path = ("platforms", platform) if platform else ("lanes", lane) if lane else ("stages", stage)
    return Mistake(path, f"no worker runs stage {stage!r} on {topic!r}")


def _workers(topology: Topology) -> Iterator[Mistake]:
    """Two groups that run one stage on one topic would do everything twice, two stages in a group share a position."""
    taken: dict[tuple[str, str], str] = {}
    for name, worker in topology.workers.items():
        yield from _scope(name, worker, [topology.stages[stage] for stage in worker.stages])
        readers: dict[str, str] = {}
        for binding in topology.bindings(name):
            path = ("workers", name, "stages", worker.stages.index(binding.stage))
            other = taken.setdefault((binding.stage, binding.topic), name)
            if other != name:
                yield Mistake(path, f"{binding.stage!r} reads {binding.topic!r} in worker {other!r} already")
            if readers.setdefault(binding.topic, binding.stage) != binding.stage:
                yield Mistake(path, f"{binding.topic!r} is read by stage {readers[binding.topic]!r} of this worker too")


def _scope(name: str, worker: WorkerSpec, stages: list[StageSpec]) -> Iterator[Mistake]:
    if not stages:
        yield Mistake(("workers", name, "stages"), "no stages")
    for field, placeholder in (("lanes", "{lane}"), ("platforms", "{platform}")):
        bound = any(placeholder in stage.reads for stage in stages)
        if getattr(worker, field) and stages and not bound:
            yield Mistake(("workers", name, field), f"none of its stages reads a topic with {placeholder}")


def _use_cases(topology: Topology) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for name, case in topology.use_cases.items():
        yield from (Mistake(("use_cases", name, *path), message) for path, message in _policy(case))
        for event_type in case.types:
            if owners.setdefault(event_type, name) != name:
                path = ("use_cases", name, "types", event_type)
                yield Mistake(path, f"an event type has one use case; {owners[event_type]!r} has it already")


def _policy(case: UseCaseSpec) -> Iterator[Mistake]:
    max_age, ttl = milliseconds(case.max_age), milliseconds(case.ttl)
    yield from _merging(case)
    for path, lane in _lanes_of(case):
        yield from _lane_changes(path, lane)
    if not case.types:
        yield Mistake(("types",), "no event types")
    if not case.devices:
        yield Mistake(("devices",), "no device types; name every type that should get it")
    if not max_age:
        yield Mistake(("max_age",), "everything would be too old")
    if ttl < max_age:
        yield Mistake(("ttl",), f"{case.ttl} is less than max_age, {case.max_age}: a push could outlive its row")
    if ttl > MAX_TTL_MS:
        yield Mistake(("ttl",), f"{case.ttl} is more than the inbox keeps, 7d")
    try:
        parse_version(case.min_app_version)
    except ValueError as error:
        yield Mistake(("min_app_version",), str(error))


def _merging(case: UseCaseSpec) -> Iterator[Mistake]:
    if case.counters == "deltas":
        message = "deltas are not safe: an event that is read again after a crash would count twice; send totals"
        yield Mistake(("counters",), message)
    if case.merge != "union":
        if case.merge_field is not None:
            yield Mistake(("merge_field",), f"only union folds a field, and merge is {case.merge}")
        return
    if case.merge_field is None:
        yield Mistake(("merge",), "union needs `merge_field`, the payload field that holds `added` and `removed`")
    if case.collapse != "none":
        yield Mistake(("collapse",), "a newer event would supersede changes that it does not hold: use none with union")


def _lane_changes(path: Path, lane: Lane) -> Iterator[Mistake]:
    """Times that are no times, or not later than the change before."""
    if isinstance(lane, str):
        return
    older = list(_lane_changes((*path, "was"), lane.was))
    yield from older
    try:
        if not older and moment_ms(lane.start) <= lane_steps(lane.was)[-1][0]:
            yield Mistake((*path, "from"), f"{lane.start} is not later than the change before it")
    except ValueError as error:
        yield Mistake((*path, "from"), f"{lane.start!r} is no time: {error}")


def _lingers(topology: Topology) -> Iterator[Mistake]:
    lanes = [("lanes", name, spec.linger) for name, spec in topology.lanes.items()]
    workers = [("workers", name, spec.linger) for name, spec in topology.workers.items() if spec.linger is not None]
    for kind, name, linger in [*lanes, *workers]:
        if milliseconds(linger) > _LONGEST_LINGER_MS:
            message = f"{linger} is more than {_LONGEST_LINGER_MS // 1000}s: an event waits for it at every stage"
            yield Mistake((kind, name, "linger"), message)


def _windows(topology: Topology) -> Iterator[Mistake]:
    for name, spec in topology.lanes.items():
        if milliseconds(spec.window) > _LONGEST_WINDOW_MS:
            message = f"{spec.window} is more than {_LONGEST_WINDOW_MS // 1000}s: all of the lane waits for its end"
            yield Mistake(("lanes", name, "window"), message)
    for name, case in topology.use_cases.items():
        lanes = {lane for _, found in _lanes_of(case) for _, lane in _named((), found)}
        bare = [lane for lane in topology.lanes if lane in lanes and not milliseconds(topology.lanes[lane].window)]
        if case.merge != "none" and bare:
            message = f"lane {bare[0]!r} has no window to merge in: give it one, or use none"
            yield Mistake(("use_cases", name, "merge"), message)


def _cluster(topology: Topology) -> Iterator[Mistake]:
    if topology.replication == 2:  # min.insync.replicas is one less
        message = "with 2 replicas an acknowledged record may be on one broker alone; use 3, or 1 for development"
        yield Mistake(("replication",), message)
    if not topology.lanes:
        yield Mistake(("lanes",), "no lanes")


_Rule = Callable[[Topology], Iterator[Mistake]]
_NAMES: Final[tuple[_Rule, ...]] = (_unknown_names, _repeated, _cluster)
_MEANINGS: Final[tuple[_Rule, ...]] = (
    _topics, _topic_names, _tables, _coverage, _workers, _use_cases, _lingers, _windows,
)  # fmt: skip
