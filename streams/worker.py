"""The composition root: one Faust app for a worker of topics.yaml, its tables, its resources and its stages."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from streams.admin import ingest_topic_id
from streams.age import Ends
from streams.counted import CountedOutput, counted
from streams.health import Check, Probes, serve_health
from streams.histogram import Histogram
from streams.logs import configure_logs
from streams.metrics import Metrics, StageMetrics, build_info
from streams.settings import Settings
from streams.stage import Factory, Resources, Stage
from streams.tables import Full, make_table
from streams.topology import StageBinding, Topology, milliseconds
from streams.transport import Chain, add_agent, attach, make_app, run, stats
from streams.transport.logins import Logins
from streams.transport.mark import origin_of

log = logging.getLogger(__name__)
#: A worker that has records to take and commits none for this long is not live, s.
STUCK_SECONDS = 120.0


def main(worker: str, settings: Settings, topology: Topology) -> int:
    """Run a worker until it is told to stop (0) or fails (70)."""
    configure_logs(worker, settings.log_level)
    topic_id = ingest_topic_id(settings)
    factories = {binding: factory(binding.handler) for binding in topology.bindings(worker)}
    app = build_app(worker, settings, topology, origin_of(topology.epoch, topic_id))
    metrics = Metrics()
    tables = {name: _table(app, name, worker, settings, topology) for name in topology.tables_of(worker)}
    agents: dict[StageBinding, StageMetrics] = {}

    def stage(binding: StageBinding, resources: Resources) -> Stage:
        counts = agents[binding] = metrics.stage(binding.stage, lane_name(topology, binding))
        return Stage(
            name=binding.stage,
            topology=topology,
            settings=settings,
            output=CountedOutput(app.transport.output, counts, settings.topic_prefix, binding.topic),
            resources=resources,
            metrics=counts,
            topic_id=topic_id,
            lane=binding.lane,
            platform=binding.platform,
            table=tables.get(binding.table or ""),
            fail=app.transport.fail,
        )

    export(metrics, app, tables)
    export_agents(metrics, app, agents, settings.topic_prefix, topology)
    with serve_health(settings.health.host, settings.health.port, probes(app, metrics)):
        return run(app, resources=opening(app, settings, factories, stage, metrics))


def build_app(worker: str, settings: Settings, topology: Topology, origin: str) -> Any:
    """The Faust app of a worker, its transport attached; its commits count in the offsets of `origin`."""
    reading, writing = lingers_of(worker, topology)
    app = make_app(
        settings.topic_prefix + worker,
        settings.kafka.servers,
        partitions=topology.partitions,
        replication=topology.replication,
        datadir=Path(settings.data_dir) / worker,
        commit_interval=settings.kafka.commit_interval,
        session_timeout=settings.kafka.session_timeout,
        security=settings.kafka.security,
    )
    attach(
        app,
        producer_config={"linger.ms": writing, "message.max.bytes": settings.kafka.max_message_bytes},
        chain=chain_of(worker, settings.topic_prefix, topology)._replace(origin=origin),
        linger=reading / 1000,
        gathered=frozenset({settings.topic_prefix + "outcomes"}),
        security=settings.kafka.security,
    )
    return app


def lingers_of(worker: str, topology: Topology) -> tuple[int, int]:
    """Milliseconds that a worker waits between two reads that give little, and those before a write."""
    spec = topology.workers[worker]
    most_urgent = min(milliseconds(topology.lanes[lane].linger) for lane in spec.lanes or topology.lanes)
    return most_urgent if spec.linger is None else milliseconds(spec.linger), most_urgent


def chain_of(worker: str, prefix: str, topology: Topology) -> Chain:
    """The topics that a stage of this worker shares with another stage, full names: what it reads, what it writes.

    A stage that writes what it reads itself puts no event there.
    """
    spec, stages = topology.workers[worker], topology.stages
    between = {stage.reads for stage in stages.values()} & {topic for s in stages.values() for topic in s.writes}
    reads = {topic for name in spec.stages for topic in {stages[name].reads} & between}
    writes = {
        (topic, spec.platforms if "{platform}" in stages[name].reads else ())
        for name in spec.stages
        for topic in {*stages[name].writes} & between - {stages[name].reads}
    }
    return Chain(
        frozenset(prefix + topic for name in reads for topic in topology.expand(name, spec.lanes, spec.platforms)),
        frozenset(prefix + topic for name, own in writes for topic in topology.expand(name, spec.lanes, own)),
    )


def opening(
    app: Any,
    settings: Settings,
    factories: Mapping[StageBinding, Factory],
    stage: Callable[[StageBinding, Resources], Stage],
    metrics: Metrics | None = None,
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """What `run` enters before the app starts: opens what the stages need and adds their agents."""

    @asynccontextmanager
    async def entered() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            resources = Resources(settings, stack, metrics)
            if settings.kafka.security_file:
                await stack.enter_async_context(_taking_logins(app, settings))
            for binding, make in factories.items():
                made = stage(binding, resources)
                handler = counted(await make(made), made.metrics, binding.topic)
                add_agent(app, f"{binding.stage}:{binding.topic}", settings.topic_prefix + binding.topic, handler)
            yield

    return entered


@asynccontextmanager
async def _taking_logins(app: Any, settings: Settings) -> AsyncIterator[None]:
    task = asyncio.create_task(Logins(settings.kafka, app.transport.login).watch(), name="logins")
    try:
        yield
    finally:
        task.cancel()


class UnknownHandler(Exception):
    """A stage names a handler that is not there; `lockstep check` says so too."""


def factory(path: str) -> Factory:
    """The handler factory at a dotted path. Raises UnknownHandler."""
    module, _, name = path.rpartition(".")
    try:
        found: Factory = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UnknownHandler(f"handler {path}: {error}") from error
    return found


def lane_name(topology: Topology, binding: StageBinding) -> str:
    """The lane of an agent, as metrics say it."""
    return "all" if binding.lane is None else topology.lane_names()[binding.lane]


def _table(app: Any, name: str, worker: str, settings: Settings, topology: Topology) -> Any:
    window = milliseconds(topology.tables[name].window)
    sources = [settings.topic_prefix + b.topic for b in topology.bindings(worker) if b.table == name]
    full = Full(settings.limits.seen_entries, settings.limits.seen_full) if name == "seen" else None
    return make_table(name, app, partitions=topology.partitions, window_ms=window, sources=sources, full=full)


def probes(app: Any, metrics: Metrics) -> Probes:
    """Live: what is there to take is being committed. Ready: tables are whole, partitions assigned, none stopped."""

    def live() -> Check:
        now = stats(app)
        if now["failure"] is not None:
            return Check(False, now["failure"])
        lag = _lag(app, stopped=False)
        if lag and now["since_commit"] > STUCK_SECONDS:
            return Check(False, f"{lag} records to take, none committed for {now['since_commit']:.0f} s")
        return Check(True, f"lag {lag}")

    def ready() -> Check:
        now = stats(app)
        if now["failure"] is not None:
            return Check(False, now["failure"])
        stopped = _stopped(app)
        if stopped:
            return Check(False, "; ".join(stopped))
        return Check(now["recovered"], f"{len(now['partitions'])} partitions, recovered: {now['recovered']}")

    return Probes(live, ready, metrics.registry)


def export(metrics: Metrics, app: Any, tables: Mapping[str, Any]) -> None:
    """Numbers of the transport and the tables, for /metrics."""
    started = time.time()
    metrics.gauge("lag_records", "Records not yet committed, over all assigned partitions.", lambda: _lag(app))
    metrics.gauge("assigned_partitions", "Partitions this worker reads.", lambda: len(stats(app)["partitions"]))
    metrics.gauge("commit_age_seconds", "Time since a commit last succeeded.", lambda: stats(app)["since_commit"])
    metrics.gauge("recovered", "Whether tables are whole and partitions assigned.", lambda: stats(app)["recovered"])
    metrics.gauge("start_time_seconds", "When this process started.", lambda: started)
    metrics.gauge("stopped_partitions", "Partitions that wait to be looked at.", lambda: len(_stopped(app)))
    metrics.gauge("log_clock_ahead_seconds", "How far log time is ahead of this process's clock.", lambda: _ahead(app))
    _export_tables(metrics, tables)
    metrics.counter("offset_gaps", "Offsets that were missing where none should be.", lambda: stats(app)["gaps"])


def export_agents(
    metrics: Metrics, app: Any, agents: Mapping[StageBinding, StageMetrics], prefix: str, topology: Topology
) -> None:
    """Numbers of each agent, for /metrics: how far behind it is, and how long events took to their platform."""

    def at(binding: StageBinding) -> tuple[str, str]:
        return binding.stage, lane_name(topology, binding)

    def ages() -> dict[tuple[str, ...], float]:
        now, partitions = int(time.time() * 1000), stats(app)["partitions"]
        found: dict[tuple[str, ...], float] = {}
        for binding, counts in list(agents.items()):
            ends = {
                number: Ends(each["committed"], each["highwater"])
                for (topic, number), each in partitions.items()
                if topic == prefix + binding.topic
            }
            found[at(binding)] = max(found.get(at(binding), 0.0), counts.age.oldest(now, ends))
        return found

    def lags() -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = dict.fromkeys(map(at, list(agents)), 0)
        of = {prefix + binding.topic: at(binding) for binding in list(agents)}
        for (topic, _), each in stats(app)["partitions"].items():
            if topic in of:
                found[of[topic]] += max(0, each["highwater"] - max(each["committed"], 0))
        return found

    def latencies() -> dict[tuple[str, ...], Histogram]:
        pushes = [(binding, counts) for binding, counts in list(agents.items()) if binding.platform]
        return {(at(binding)[1], str(binding.platform)): counts.latency for binding, counts in pushes}

    name, meaning = "oldest_unprocessed_event_age_seconds", "Age of the oldest record that a stage has not processed."
    metrics.levels(name, meaning, ("stage", "lane"), ages)
    metrics.levels("stage_lag_records", "Records of a stage not yet committed.", ("stage", "lane"), lags)
    name, meaning = "end_to_end_latency_seconds", "Time from an event to its platform's word, for each device reached."
    metrics.histogram(name, meaning, ("lane", "platform"), latencies)
    build_info(metrics)


def _export_tables(metrics: Metrics, tables: Mapping[str, Any]) -> None:
    for name, table in tables.items():
        at = f"table_{name}_"
        metrics.gauge(at + "entries", f"Entries of the table {name} in this process.", table.entries)
        metrics.gauge(at + "bytes", f"Memory of the table {name} in this process.", table.memory)
        metrics.counter(at + "rows_read", f"Rows of the table {name} read.", partial(getattr, table, "rows_read"))
        metrics.counter(at + "bad_rows", f"Corrupt rows of the table {name}.", partial(getattr, table, "bad_rows"))
    drops = "Times that the oldest entries of a table went early, for want of room."
    metrics.counter("table_early_drops", drops, lambda: sum(table.early_drops for table in tables.values()))


def _lag(app: Any, *, stopped: bool = True) -> int:
    """Records not committed; without those of stopped partitions if told so."""
    partitions = [p for p in stats(app)["partitions"].values() if stopped or not p["stopped"]]
    return sum(max(0, p["highwater"] - max(p["committed"], 0)) for p in partitions if p["highwater"] >= 0)


def _ahead(app: Any) -> float:
    """By how much the broker that stamped the latest record has another clock, s; 0 where its clock is behind."""
    return max(0.0, stats(app)["clock"] / 1000 - time.time())


def _stopped(app: Any) -> list[str]:
    """Partitions that a handler will not go on with, and why."""
    partitions = stats(app)["partitions"].items()
    return sorted(f"{topic}[{n}] stopped: {p['stopped']}" for (topic, n), p in partitions if p["stopped"])
