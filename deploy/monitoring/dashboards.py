"""The dashboards: what each panel shows, as data; Grafana's own builders make the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

#: The data source that the reader chooses.
_SOURCE: Final = "datasource"
#: Of the release that the reader chooses.
_HERE: Final = 'namespace=~"$namespace",release=~"$release"'


class Panel(NamedTuple):
    """A graph: title, unit, what it means, and its queries with their legends. `HERE` is the chosen release."""

    title: str
    unit: str
    about: str
    queries: Mapping[str, str]


def boards() -> dict[str, str]:
    """JSON of each dashboard by its name."""
    return {name: _json(name, number, _PANELS[name]) for number, name in enumerate(_PANELS, 1)}


_PANELS: Final[dict[str, tuple[Panel, ...]]] = {
    "overview": (
        Panel("Budget left", "percentunit", "Of the latency budget, if the last 3 days went on for 30", {
            "1 - lockstep:latency_budget_burn:rate3d{HERE}": "{{lane}}",
        }),
        Panel("Burn, 1 h", "none", "1: the budget lasts exactly 30 days. 14.4: a page", {
            "lockstep:latency_budget_burn:rate1h{HERE}": "{{lane}}",
        }),
        Panel("Probes lost", "percentunit", "Synthetic events that did not get to their device", {
            'sum by (lane) (rate(lockstep_prober_probes_total{outcome="lost",HERE}[5m])) / '
            "sum by (lane) (rate(lockstep_prober_probes_total{HERE}[5m]))": "{{lane}}",
        }),
        Panel("Probe, 99th percentile", "s", "From publish to device", {
            "histogram_quantile(0.99, sum by (lane, le) "
            "(rate(lockstep_prober_latency_seconds_bucket{HERE}[15m])))": "{{lane}}",
        }),
        Panel("Events in", "cps", "What route takes", {
            'sum(rate(lockstep_records_total{stage="route",HERE}[1m]))': "route",
        }),
        Panel("Releases", "none", "More than one: a roll-out", {
            "count by (version) (lockstep_build_info{HERE})": "{{version}}",
        }),
    ),
    "lanes": (
        Panel("Oldest unprocessed event", "s", "How late a lane is, whatever its rate", {
            "max by (lane, stage) (lockstep_oldest_unprocessed_event_age_seconds{HERE})": "{{lane}} {{stage}}",
        }),
        Panel("End to end, 99th percentile", "s", "From the event to the platform's word", {
            "histogram_quantile(0.99, sum by (lane, platform, le) "
            "(rate(lockstep_end_to_end_latency_seconds_bucket{HERE}[5m])))": "{{lane}} {{platform}}",
        }),
        Panel("Taken", "cps", "Records a stage takes", {
            "sum by (lane, stage) (rate(lockstep_records_total{HERE}[1m]))": "{{lane}} {{stage}}",
        }),
        Panel("Lag", "none", "Records not committed; at a steady rate half a commit interval is right", {
            "sum by (component) (lockstep_lag_records{HERE})": "{{component}}",
        }),
        Panel("Pods and partitions", "none", "Members without partitions wait", {
            "sum by (component) (lockstep_assigned_partitions{HERE})": "{{component}} partitions",
            "count by (component) (lockstep_assigned_partitions{HERE})": "{{component}} pods",
        }),
        Panel("Since the last commit", "s", "With lag and above 120 s a pod is restarted", {
            "max by (component) (lockstep_commit_age_seconds{HERE})": "{{component}}",
        }),
    ),
    "gates": (
        Panel("Conservation", "none", "Taken less what became of it: anything but 0 for minutes is a defect", {
            "sum by (stage, lane) (lockstep_records_total{HERE}) - "
            "sum by (stage, lane) (lockstep_copies_total{HERE}) - "
            "sum by (stage, lane) (lockstep_in_flight{HERE}) - "
            "sum by (stage, lane) (lockstep_ended_total{HERE})": "{{stage}} {{lane}}",
        }),
        Panel("Outcomes", "cps", "By what was decided", {
            "sum by (stage, outcome) (rate(lockstep_outcomes_total{HERE}[1m]))": "{{stage}} {{outcome}}",
        }),
        Panel("In flight", "none", "Taken and not decided: merge windows hold them", {
            "sum by (stage, lane) (lockstep_in_flight{HERE})": "{{stage}} {{lane}}",
        }),
        Panel("Copies", "cps", "Dropped by the replay watermark: after a crash for a short while", {
            "sum by (stage, lane) (rate(lockstep_copies_total{HERE}[1m]))": "{{stage}} {{lane}}",
        }),
        Panel("Stopped partitions", "none", "They wait to be looked at", {
            "max by (component) (lockstep_stopped_partitions{HERE})": "{{component}}",
        }),
        Panel("Offset gaps", "none", "Anything above 0 may be a loss", {
            "sum by (component) (increase(lockstep_offset_gaps_total{HERE}[1h]))": "{{component}}",
        }),
    ),
    "sinks": (
        Panel("Pushes", "cps", "Devices reached, and not", {
            'sum by (lane, outcome) (rate(lockstep_outcomes_total{stage="push",HERE}[1m]))': "{{lane}} {{outcome}}",
        }),
        Panel("Reached by platform", "cps", "Devices", {
            "sum by (platform) (rate(lockstep_end_to_end_latency_seconds_count{HERE}[1m]))": "{{platform}}",
        }),
        Panel("Median by platform", "s", "From the event to the platform's word", {
            "histogram_quantile(0.5, sum by (platform, le) "
            "(rate(lockstep_end_to_end_latency_seconds_bucket{HERE}[5m])))": "{{platform}}",
        }),
    ),
    "edge": (
        Panel("Connections", "none", "Open ones; sessions have said hello", {
            "sum(lockstep_edge_connections{HERE})": "connections",
            "sum(lockstep_edge_sessions{HERE})": "sessions",
        }),
        Panel("Accepted", "cps", "New connections", {"sum(rate(lockstep_edge_accepted_total{HERE}[1m]))": "accepted"}),
        Panel("Hellos that wait", "none", "They take turns", {"sum(lockstep_edge_hellos_waiting{HERE})": "waiting"}),
        Panel("Notifications", "cps", "Pushed live, and from the inbox", {
            "sum(rate(lockstep_edge_delivered_total{HERE}[1m]))": "live",
            "sum(rate(lockstep_edge_backlog_total{HERE}[1m]))": "inbox",
        }),
        Panel("Turned to sync", "cps", "Sessions that missed a push, did not read, or were found behind", {
            "sum(rate(lockstep_edge_holes_total{HERE}[1m]))": "missed",
            "sum(rate(lockstep_edge_slow_total{HERE}[1m]))": "slow",
            "sum(rate(lockstep_edge_swept_total{HERE}[1m]))": "behind",
        }),
        Panel("What became of items", "cps", "Codes in the acks of devices", {
            "sum by (code) (rate(lockstep_edge_ack_codes_total{HERE}[5m]))": "{{code}}",
        }),
        Panel("Pulls", "cps", "Pages, and answers that nothing is new", {
            "sum(rate(lockstep_edge_pull_pages_total{HERE}[1m]))": "pages",
            "sum(rate(lockstep_edge_pull_unchanged_total{HERE}[1m]))": "304",
        }),
    ),
    "stores": (
        Panel("Redis, 99th percentile", "s", "Of a trip, as processes see it", {
            "histogram_quantile(0.99, sum by (component, le) "
            "(rate(lockstep_redis_request_seconds_bucket{HERE}[5m])))": "{{component}}",
        }),
        Panel("Cassandra, 99th percentile", "s", "Of a request, as processes see it", {
            "histogram_quantile(0.99, sum by (component, le) "
            "(rate(lockstep_cassandra_request_seconds_bucket{HERE}[5m])))": "{{component}}",
        }),
        Panel("Requests", "cps", "That were answered", {
            "sum by (component) (rate(lockstep_redis_request_seconds_count{HERE}[1m]))": "{{component}} Redis",
            "sum by (component) (rate(lockstep_cassandra_request_seconds_count{HERE}[1m]))": "{{component}} Cassandra",
        }),
        Panel("Requests that failed", "cps", "Anything for long: a store is away", {
            "sum by (component) (rate(lockstep_redis_failures_total{HERE}[1m]))": "{{component}} Redis",
            "sum by (component) (rate(lockstep_cassandra_failures_total{HERE}[1m]))": "{{component}} Cassandra",
        }),
        Panel("Table entries", "none", "Of seen and latest", {
            "sum by (component) (lockstep_table_seen_entries{HERE})": "{{component}} seen",
            "sum by (component) (lockstep_table_latest_entries{HERE})": "{{component}} latest",
        }),
        Panel("Table memory", "bytes", "In the processes", {
            "sum by (component) (lockstep_table_seen_bytes{HERE})": "{{component}} seen",
            "sum by (component) (lockstep_table_latest_bytes{HERE})": "{{component}} latest",
        }),
        Panel("Recovered", "none", "Pods whose tables are whole", {
            "sum by (component) (lockstep_recovered{HERE})": "{{component}}",
        }),
        Panel("Forgotten early", "none", "Times that a table had no room for its window", {
            "sum by (component) (increase(lockstep_table_early_drops_total{HERE}[1h]))": "{{component}}",
        }),
        Panel("Acks and pulls not reported", "none", "Dropped while Kafka took none; those that wait", {
            "sum(increase(lockstep_edge_outcomes_dropped_total{HERE}[1h]))": "dropped",
            "sum(lockstep_edge_outcomes_waiting{HERE})": "waiting",
        }),
    ),
}  # fmt: skip


def _json(name: str, number: int, panels: tuple[Panel, ...]) -> str:
    made = (
        dashboard.Dashboard(f"lockstep: {name}")
        .uid(f"lockstep-{number}-{name}")
        .tags(["lockstep"])
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .with_variable(dashboard.DatasourceVariable(_SOURCE).type("prometheus").label("Prometheus"))
    )
    for variable in ("namespace", "release"):
        made.with_variable(_variable(variable))
    for panel in panels:
        made.with_panel(_graph(panel))
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def _variable(label: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(label)
        .label(label)
        .datasource(_source())
        .query(f"label_values(lockstep_build_info, {label})")
        .include_all(True)
        .multi(True)
    )


def _source() -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid=f"${{{_SOURCE}}}")


def _graph(panel: Panel) -> timeseries.Panel:
    graph = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.about)
        .unit(panel.unit)
        .datasource(_source())
        .span(12)
        .height(8)
    )
    for letter, (expression, legend) in zip("ABCDEF", panel.queries.items(), strict=False):
        query = prometheus.Dataquery().ref_id(letter).expr(expression.replace("HERE", _HERE)).legend_format(legend)
        graph.with_target(query)
    return graph
