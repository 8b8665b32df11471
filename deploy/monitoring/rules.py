"""Recording and alerting rules, from the lanes and workers of topics.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from deploy.monitoring.objectives import BURNS, WINDOWS, Objective, objectives
from streams.topology import Topology

Rule = dict[str, Any]
RUNBOOKS: Final = "docs/runbooks.md"
#: Fewer devices a second than this say nothing about a lane; its prober does.
_QUIET: Final = 0.01


def groups(topology: Topology) -> dict[str, Any]:
    """All rule groups."""
    lanes = objectives(topology.lane_names())
    return {
        "groups": [
            {"name": "lockstep-slow-parts", "interval": "30s", "rules": list(_slow_parts(lanes))},
            {"name": "lockstep-objectives", "rules": [*_burns(lanes), *_ages(lanes), *_probes()]},
            {"name": "lockstep-health", "rules": [*_away(topology), *_health()]},
        ]
    }


def _slow_parts(lanes: dict[str, Objective]) -> Iterator[Rule]:
    """The part of devices reached later than the objective, by lane and window."""
    metric = "lockstep_end_to_end_latency_seconds"
    for lane, objective in lanes.items():
        for window in WINDOWS:
            within = f'sum(rate({metric}_bucket{{lane="{lane}",le="{objective.edge}"}}[{window}]))'
            all_ = f'sum(rate({metric}_count{{lane="{lane}"}}[{window}]))'
            yield {
                "record": f"lockstep:slow_part:rate{window}",
                "expr": f"1 - {within} / ({all_} > {_QUIET})",
                "labels": {"lane": lane},
            }


def _burns(lanes: dict[str, Objective]) -> Iterator[Rule]:
    for lane, objective in lanes.items():
        for burn in BURNS:
            limit = f"{burn.times * objective.budget:.6g}"
            long, short = (f'lockstep:slow_part:rate{each}{{lane="{lane}"}}' for each in (burn.long, burn.short))
            yield _alert(
                "LockstepLatencyBudgetBurns",
                f"{long} > {limit} and {short} > {limit}",
                burn.severity,
                f"Lane {lane} uses its latency budget {burn.times:g} times as fast as it may: {objective.part:.1%} "
                f"within {objective.seconds:g} s",
                labels={"lane": lane, "window": burn.long},
            )


def _ages(lanes: dict[str, Objective]) -> Iterator[Rule]:
    for lane, objective in lanes.items():
        yield _alert(
            "LockstepEventsWait",
            f'max by (stage, lane) (lockstep_oldest_unprocessed_event_age_seconds{{lane="{lane}"}}) '
            f"> {10 * objective.seconds:g}",
            "page",
            f"The oldest event of lane {lane} has waited {{{{ $value | humanizeDuration }}}} for stage "
            "{{ $labels.stage }}",
            wait="5m",
            labels={"lane": lane},
        )
    yield _alert(
        "LockstepEventsWait",
        'max by (stage, lane) (lockstep_oldest_unprocessed_event_age_seconds{lane="all"}) > 10',
        "page",
        "The oldest event has waited {{ $value | humanizeDuration }} for stage {{ $labels.stage }}",
        wait="5m",
        labels={"lane": "all"},
    )


def _probes() -> Iterator[Rule]:
    lost = 'sum by (lane) (rate(lockstep_prober_probes_total{outcome="lost"}[5m]))'
    yield _alert(
        "LockstepProbesLost",
        f"{lost} / sum by (lane) (rate(lockstep_prober_probes_total[5m])) > 0.2",
        "page",
        "{{ $value | humanizePercentage }} of the probes of lane {{ $labels.lane }} did not get to their device",
        wait="2m",
    )


def _away(topology: Topology) -> Iterator[Rule]:
    for worker in topology.workers:
        yield _alert(
            "LockstepWorkerAway",
            f'absent(lockstep_assigned_partitions{{component="{worker}"}} > 0)',
            "page",
            f"No pod of the worker {worker} has partitions",
            wait="5m",
            labels={"component": worker},
        )


_DRIFT: Final = (
    "sum by (stage, lane) (lockstep_records_total) - sum by (stage, lane) (lockstep_copies_total) "
    "- sum by (stage, lane) (lockstep_in_flight) - (sum by (stage, lane) (lockstep_ended_total) "
    "or sum by (stage, lane) (lockstep_records_total) * 0) != 0"
)


def _rate(metric: str, window: str = "10m") -> str:
    return f"sum(rate(lockstep_{metric}[{window}]))"


def _health() -> Iterator[Rule]:
    """Each says what is wrong, not what may be."""
    for name, severity, wait, expr, summary in _SIGNS:
        yield _alert(name, expr, severity, summary, wait=wait)


#: Name, severity, how long it must last, expression, what it says.
_SIGNS: Final = (
    (
        "LockstepPartitionStopped", "page", "0s",
        "max by (component) (lockstep_stopped_partitions) > 0",
        "{{ $value }} partitions of {{ $labels.component }} wait to be looked at",
    ),
    (
        "LockstepStuck", "page", "1m",
        "max by (component, pod) (lockstep_commit_age_seconds) > 120 "
        "and max by (component, pod) (lockstep_lag_records) > 0",
        "{{ $labels.pod }} has records to take and has committed none for two minutes",
    ),
    (
        "LockstepOffsetGap", "page", "0s",
        "sum by (component) (increase(lockstep_offset_gaps_total[10m])) > 0",
        "{{ $labels.component }} met offsets that are missing: records may be lost",
    ),
    (
        "LockstepConservationDrifts", "page", "5m", _DRIFT,
        "Stage {{ $labels.stage }} of lane {{ $labels.lane }} cannot say what became of {{ $value }} records",
    ),
    (
        "LockstepReplays", "ticket", "10m",
        "sum by (stage, lane) (rate(lockstep_copies_total[5m])) "
        "> 0.5 * sum by (stage, lane) (rate(lockstep_records_total[5m]))",
        "More than half of what stage {{ $labels.stage }} of lane {{ $labels.lane }} takes are copies",
    ),
    (
        "LockstepDeadLetters", "ticket", "10m",
        _rate('outcomes_total{outcome="dead-lettered"}') + " > 0.01 * " + _rate('records_total{stage="route"}'),
        "More than 1 % of what producers send cannot be read",
    ),
    (
        "LockstepConflicts", "ticket", "10m",
        _rate('outcomes_total{outcome="conflict"}') + " > 0.01 * " + _rate('records_total{stage="route"}'),
        "More than 1 % of what producers send has the id of another event",
    ),
    (
        "LockstepUndeliverable", "ticket", "15m",
        'sum by (lane) (rate(lockstep_outcomes_total{outcome="undeliverable"}[10m])) '
        '> sum by (lane) (rate(lockstep_outcomes_total{outcome="pushed"}[10m]))',
        "More pushes of lane {{ $labels.lane }} fail than succeed; devices still pull",
    ),
    (
        "LockstepForgetsEarly", "ticket", "0s",
        "sum by (component) (increase(lockstep_table_early_drops_total[1h])) > 0",
        "A table of {{ $labels.component }} has no room for its window: repeats may take effect again",
    ),
    (
        "LockstepClocksDiffer", "ticket", "5m",
        "max by (component) (lockstep_log_clock_ahead_seconds) > 5",
        "Log time is {{ $value | humanizeDuration }} ahead of the clock of {{ $labels.component }}",
    ),
    (
        "LockstepOutcomesDropped", "ticket", "0s",
        "sum(increase(lockstep_edge_outcomes_dropped_total[10m])) > 0",
        "The edge drops acks and pulls, since Kafka takes none: the audit will miss them",
    ),
)  # fmt: skip


def _alert(
    name: str, expr: str, severity: str, summary: str, *, wait: str = "0s", labels: dict[str, str] | None = None
) -> Rule:
    return {
        "alert": name,
        "expr": expr,
        "for": wait,
        "labels": {"severity": severity, **(labels or {})},
        "annotations": {"summary": summary, "runbook_url": f"{RUNBOOKS}#{name.lower()}"},
    }
