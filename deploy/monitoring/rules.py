"""Recording and alerting rules. Each holds for one release, and some for each of its lanes or workers.

The words in capitals are the chart's to replace: it knows the release, and the topology and objectives given to it.
`HERE` stands for the labels by which a PodMonitor tells series of the release.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from deploy.monitoring.objectives import BURNS, WINDOWS

Rule = dict[str, Any]
RUNBOOKS: Final = "docs/runbooks.md"
#: Fewer devices a second than this say nothing about a lane; its prober does.
_QUIET: Final = 0.01
#: Of which release: alerts and recordings say it, since releases may share a Prometheus and an Alertmanager.
_RELEASE: Final = {"namespace": "NAMESPACE", "release": "RELEASE"}


def groups() -> dict[str, Any]:
    """All rule groups. A rule with `each` is made once for each lane or running worker."""
    return {
        "groups": [
            {"name": "lockstep-burns", "interval": "30s", "rules": list(_burns())},
            {"name": "lockstep-objectives", "rules": [*_budgets(), *_ages(), *_probes()]},
            {"name": "lockstep-health", "rules": [_away(), *_health()]},
        ]
    }


def _burns() -> Iterator[Rule]:
    """By lane and window: how many times as fast as it may a lane uses its budget of devices reached late."""
    metric = "lockstep_end_to_end_latency_seconds"
    for window in WINDOWS:
        within = f'sum(rate({metric}_bucket{{HERE,lane="LANE",le="SECONDS"}}[{window}]))'
        all_ = f'sum(rate({metric}_count{{HERE,lane="LANE"}}[{window}]))'
        yield {
            "each": "lane",
            "record": f"lockstep:latency_budget_burn:rate{window}",
            "expr": f"(1 - {within} / ({all_} > {_QUIET})) / ((100 - PERCENT) / 100)",
            "labels": {**_RELEASE, "lane": "LANE"},
        }


def _budgets() -> Iterator[Rule]:
    for burn in BURNS:
        long, short = (f"lockstep:latency_budget_burn:rate{each}{{HERE}}" for each in (burn.long, burn.short))
        yield _alert(
            "LockstepLatencyBudgetBurns",
            f"{long} > {burn.times:g} and {short} > {burn.times:g}",
            burn.severity,
            'Lane {{ $labels.lane }} uses its latency budget {{ $value | printf "%.1f" }} times as fast as it may',
            labels={"window": burn.long},
        )


def _ages() -> Iterator[Rule]:
    age = 'max by (stage, lane) (lockstep_oldest_unprocessed_event_age_seconds{{HERE,lane="{}"}}) > {}'
    waited = "has waited {{ $value | humanizeDuration }} for stage {{ $labels.stage }}"
    yield {"each": "lane"} | _alert(
        "LockstepEventsWait",
        age.format("LANE", "10 * SECONDS"),
        "page",
        f"The oldest event of lane LANE {waited}",
        wait="5m",
        labels={"lane": "LANE"},
    )
    yield _alert(
        "LockstepEventsWait",
        age.format("all", 10),
        "page",
        f"The oldest event {waited}",
        wait="5m",
        labels={"lane": "all"},
    )


def _probes() -> Iterator[Rule]:
    lost = 'sum by (lane) (rate(lockstep_prober_probes_total{HERE,outcome="lost"}[5m]))'
    yield _alert(
        "LockstepProbesLost",
        f"{lost} / sum by (lane) (rate(lockstep_prober_probes_total{{HERE}}[5m])) > 0.2",
        "page",
        "{{ $value | humanizePercentage }} of the probes of lane {{ $labels.lane }} did not get to their device",
        wait="2m",
    )


def _away() -> Rule:
    return {"each": "worker"} | _alert(
        "LockstepWorkerAway",
        'absent(lockstep_assigned_partitions{HERE,component="WORKER"} > 0)',
        "page",
        "No pod of the worker WORKER has partitions",
        wait="5m",
        labels={"component": "WORKER"},
    )


_DRIFT: Final = (
    "sum by (stage, lane) (lockstep_records_total{HERE}) - sum by (stage, lane) (lockstep_copies_total{HERE}) "
    "- sum by (stage, lane) (lockstep_in_flight{HERE}) - (sum by (stage, lane) (lockstep_ended_total{HERE}) "
    "or sum by (stage, lane) (lockstep_records_total{HERE}) * 0) != 0"
)


def _rate(metric: str, matcher: str) -> str:
    return f"sum(rate(lockstep_{metric}{{HERE,{matcher}}}[10m]))"


def _health() -> Iterator[Rule]:
    """Each says what is wrong, not what may be."""
    for name, severity, wait, expr, summary in _SIGNS:
        yield _alert(name, expr, severity, summary, wait=wait)


#: Name, severity, how long it must last, expression, what it says.
_SIGNS: Final = (
    (
        "LockstepPartitionStopped", "page", "0s",
        "max by (component) (lockstep_stopped_partitions{HERE}) > 0",
        "{{ $value }} partitions of {{ $labels.component }} wait to be looked at",
    ),
    (
        "LockstepStuck", "page", "1m",
        "max by (component, pod) (lockstep_commit_age_seconds{HERE}) > 120 "
        "and max by (component, pod) (lockstep_lag_records{HERE}) > 0",
        "{{ $labels.pod }} has records to take and has committed none for two minutes",
    ),
    (
        "LockstepOffsetGap", "page", "0s",
        "sum by (component) (increase(lockstep_offset_gaps_total{HERE}[10m])) > 0",
        "{{ $labels.component }} met offsets that are missing: records may be lost",
    ),
    (
        "LockstepConservationDrifts", "page", "5m", _DRIFT,
        "Stage {{ $labels.stage }} of lane {{ $labels.lane }} cannot say what became of {{ $value }} records",
    ),
    (
        "LockstepReplays", "ticket", "10m",
        "sum by (stage, lane) (rate(lockstep_copies_total{HERE}[5m])) "
        "> 0.5 * sum by (stage, lane) (rate(lockstep_records_total{HERE}[5m]))",
        "More than half of what stage {{ $labels.stage }} of lane {{ $labels.lane }} takes are copies",
    ),
    (
        "LockstepDeadLetters", "ticket", "10m",
        _rate("outcomes_total", 'outcome="dead-lettered"') + " > 0.01 * " + _rate("records_total", 'stage="route"'),
        "More than 1 % of what producers send cannot be read",
    ),
    (
        "LockstepConflicts", "ticket", "10m",
        _rate("outcomes_total", 'outcome="conflict"') + " > 0.01 * " + _rate("records_total", 'stage="route"'),
        "More than 1 % of what producers send has the id of another event",
    ),
    (
        "LockstepUndeliverable", "ticket", "15m",
        'sum by (lane) (rate(lockstep_outcomes_total{HERE,outcome="undeliverable"}[10m])) '
        '> sum by (lane) (rate(lockstep_outcomes_total{HERE,outcome="pushed"}[10m]))',
        "More pushes of lane {{ $labels.lane }} fail than succeed; devices still pull",
    ),
    (
        "LockstepForgetsEarly", "ticket", "0s",
        "sum by (component) (increase(lockstep_table_early_drops_total{HERE}[1h])) > 0",
        "A table of {{ $labels.component }} has no room for its window: repeats may take effect again",
    ),
    (
        "LockstepClocksDiffer", "ticket", "5m",
        "max by (component) (lockstep_log_clock_ahead_seconds{HERE}) > 5",
        "Log time is {{ $value | humanizeDuration }} ahead of the clock of {{ $labels.component }}",
    ),
    (
        "LockstepOutcomesDropped", "ticket", "0s",
        "sum(increase(lockstep_edge_outcomes_dropped_total{HERE}[10m])) > 0",
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
        "labels": {"severity": severity, **_RELEASE, **(labels or {})},
        "annotations": {"summary": summary, "runbook_url": f"{RUNBOOKS}#{name.lower()}"},
    }
