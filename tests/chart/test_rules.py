"""The rules: each alert fires on what it is for and is silent otherwise, by Prometheus' own test runner."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Final, NamedTuple
from unittest.mock import MagicMock

import helm_python
import promql_parser
import pytest

from deploy.chart.__main__ import topology
from deploy.monitoring.objectives import OBJECTIVES
from edge.health import export as export_edge
from edge.prober import Prober
from edge.prober import export as export_prober
from streams.client_metrics import ClientMetrics
from streams.metrics import Metrics
from streams.worker import export, export_agents
from tests.chart.rendering import CHART, NAMESPACE, RELEASE, Object, of_kind, profile, render, rule_groups
from tests.unit.fakes import ROOT

#: Of a release where every worker runs.
ON: Final = {"workers": {name: {"enabled": True} for name in topology().workers}}
GROUPS: Final = rule_groups(ON)
RULES: Final[list[Object]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS: Final = [rule for rule in RULES if "alert" in rule]
LATENCY = 'lockstep_end_to_end_latency_seconds_{}{{lane="{}"{}}}'
TOPOLOGY: Final = (ROOT / "topics.yaml").read_text()
#: A lane, and the worker of it, that the topology as shipped does not have.
OWN: Final = {
    "topology": re.sub(r"\blow\b", "sleepy", TOPOLOGY),
    "workers": {"low": None},
    "monitoring": {"objectives": {"sleepy": {"seconds": 30, "percent": 95}}},
}


class Case(NamedTuple):
    """Series that make an alert fire, series beside which it is silent, and when to look; values rise by the minute."""

    fires: dict[str, str]
    silent: dict[str, str]
    at: str = "30m"


def _latency(lane: str, edge: str, within: int, all_: int, minutes: int = 60) -> dict[str, str]:
    return {
        LATENCY.format("bucket", lane, f',le="{edge}"'): f"0+{within}x{minutes}",
        LATENCY.format("count", lane, ""): f"0+{all_}x{minutes}",
    }


def _rate(good: str, bad: str) -> Case:
    """The second series rises a tenth as fast as the first, or not at all."""
    return Case({good: "0+1000x60", bad: "0+100x60"}, {good: "0+1000x60", bad: "0+0x60"})


def _level(series: str, bad: str, good: str) -> Case:
    return Case({series: bad}, {series: good})


ROUTE = 'lockstep_records_total{stage="route",lane="all"}'
TAKEN = {ROUTE: "0+10x60", 'lockstep_copies_total{stage="route",lane="all"}': "0+0x60"}
#: By the name of the alert.
CASES: Final = {
    "LockstepLatencyBudgetBurns": Case(
        _latency("critical", "0.5", 900, 1000, 120), _latency("critical", "0.5", 1000, 1000, 120), "2h"
    ),
    "LockstepEventsWait": _level(
        'lockstep_oldest_unprocessed_event_age_seconds{stage="store",lane="critical"}', "6+0x60", "4+0x60"
    ),
    "LockstepProbesLost": Case(
        {
            'lockstep_prober_probes_total{lane="low",outcome="lost"}': "0+3x60",
            'lockstep_prober_probes_total{lane="low",outcome="delivered"}': "0+3x60",
        },
        {
            'lockstep_prober_probes_total{lane="low",outcome="lost"}': "0+0x60",
            'lockstep_prober_probes_total{lane="low",outcome="delivered"}': "0+6x60",
        },
    ),
    "LockstepWorkerAway": Case(
        {f'lockstep_assigned_partitions{{component="{worker}"}}': "0+0x60" for worker in topology().workers},
        {f'lockstep_assigned_partitions{{component="{worker}"}}': "8+0x60" for worker in topology().workers},
    ),
    "LockstepPartitionStopped": _level('lockstep_stopped_partitions{component="router"}', "1+0x60", "0+0x60"),
    "LockstepStuck": Case(
        {'lockstep_commit_age_seconds{pod="p"}': "0+60x60", 'lockstep_lag_records{pod="p"}': "5+0x60"},
        {'lockstep_commit_age_seconds{pod="p"}': "0+60x60", 'lockstep_lag_records{pod="p"}': "0+0x60"},
    ),
    "LockstepOffsetGap": _level('lockstep_offset_gaps_total{component="high"}', "0x28 1x30", "0+0x60"),
    "LockstepConservationDrifts": Case(
        {**TAKEN, 'lockstep_in_flight{stage="route",lane="all"}': "0+0x60"},
        {
            **TAKEN,
            'lockstep_in_flight{stage="route",lane="all"}': "0+0x60",
            'lockstep_ended_total{stage="route",lane="all",end="forwarded"}': "0+7x60",
            'lockstep_ended_total{stage="route",lane="all",end="stale"}': "0+3x60",
        },
    ),
    "LockstepReplays": Case(
        {ROUTE: "0+100x60", 'lockstep_copies_total{stage="route",lane="all"}': "0+60x60"},
        {ROUTE: "0+100x60", 'lockstep_copies_total{stage="route",lane="all"}': "0+40x60"},
    ),
    "LockstepDeadLetters": _rate(ROUTE, 'lockstep_outcomes_total{stage="route",outcome="dead-lettered"}'),
    "LockstepConflicts": _rate(ROUTE, 'lockstep_outcomes_total{stage="route",outcome="conflict"}'),
    "LockstepUndeliverable": Case(
        {
            'lockstep_outcomes_total{lane="low",outcome="undeliverable"}': "0+20x60",
            'lockstep_outcomes_total{lane="low",outcome="pushed"}': "0+10x60",
        },
        {
            'lockstep_outcomes_total{lane="low",outcome="undeliverable"}': "0+10x60",
            'lockstep_outcomes_total{lane="low",outcome="pushed"}': "0+20x60",
        },
    ),
    "LockstepForgetsEarly": _level('lockstep_table_early_drops_total{component="router"}', "0x28 1x30", "3+0x60"),
    "LockstepClocksDiffer": _level('lockstep_log_clock_ahead_seconds{component="router"}', "30+0x60", "2+0x60"),
    "LockstepOutcomesDropped": _level("lockstep_edge_outcomes_dropped_total", "0x28 9x30", "9+0x60"),
}


def promtool(*arguments: str) -> str:
    """What promtool says; fails the test where it finds something."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(groups: list[Object], directory: Path) -> Path:
    """The rules as a file for Prometheus."""
    path = directory / f"rules-{len(list(directory.iterdir()))}.yaml"
    path.write_text(json.dumps({"groups": groups}))
    return path


def test_the_rules_are_well_formed(tmp_path: Path) -> None:
    """By Prometheus itself; no word of the file that they are made from is left."""
    assert "SUCCESS" in promtool("check", "rules", str(written(GROUPS, tmp_path)))
    assert not re.search(r"HERE|NAMESPACE|RELEASE|LANE|SECONDS|PERCENT|WORKER", json.dumps(GROUPS))


def test_every_alert_has_a_case() -> None:
    """A new alert is tested too."""
    assert {rule["alert"] for rule in ALERTS} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_on_what_it_is_for_and_is_silent_otherwise(name: str, tmp_path: Path) -> None:
    """`promtool query` over the two sets of series: the alert's names of lanes or components, and none."""
    case = CASES[name]
    assert _firing(name, of(case.fires), case.at, tmp_path) > 0
    assert _firing(name, of(case.silent), case.at, tmp_path) == 0


@pytest.mark.parametrize("name", CASES)
def test_an_alert_is_about_its_own_release(name: str, tmp_path: Path) -> None:
    """It is silent beside others that are ill, and those that are well do not hide what it is for."""
    case = CASES[name]
    assert _firing(name, of(case.silent) | _elsewhere(case.fires), case.at, tmp_path) == 0
    assert _firing(name, of(case.fires) | _elsewhere(case.silent), case.at, tmp_path) > 0


def _elsewhere(series: Mapping[str, str]) -> dict[str, str]:
    """Those of another release in the namespace, and of one of the same name in another."""
    return of(series, "other") | of(series, RELEASE, "elsewhere")


def test_two_releases_in_one_prometheus_ring_on_their_own(tmp_path: Path) -> None:
    """The same alerts of both are two to an Alertmanager, and each recording has its release's series."""
    case = CASES["LockstepLatencyBudgetBurns"]
    both = [*_named(GROUPS, RELEASE), *_named(rule_groups(ON, "other"), "other")]
    series = of(case.fires) | of(case.silent, "other")
    assert _firing("LockstepLatencyBudgetBurns", series, case.at, tmp_path, both, 'release="ls"') > 0
    assert _firing("LockstepLatencyBudgetBurns", series, case.at, tmp_path, both, 'release!="ls"') == 0
    for rule in RULES:
        assert {"namespace": NAMESPACE, "release": RELEASE}.items() <= rule["labels"].items()


def _named(groups: list[Object], release: str) -> list[Object]:
    return [{**group, "name": f"{release}-{group['name']}"} for group in groups]


@pytest.mark.parametrize(
    ("name", "series", "at"),
    [
        ("LockstepLatencyBudgetBurns", _latency("sleepy", "30.0", 90, 1000), "1h"),
        ("LockstepEventsWait", {'lockstep_oldest_unprocessed_event_age_seconds{lane="sleepy"}': "301+0x60"}, "30m"),
        ("LockstepWorkerAway", {'lockstep_assigned_partitions{component="sleepy"}': "0+0x60"}, "30m"),
    ],
)
def test_lanes_and_workers_of_ones_own_are_watched(name: str, series: dict[str, str], at: str, tmp_path: Path) -> None:
    """By the objective given; nobody watches those of the topology as shipped that are not there."""
    groups = rule_groups(OWN)
    assert _firing(name, of(series), at, tmp_path, groups, 'component=~"sleepy|"') > 0
    labels = [rule["labels"] for group in groups for rule in group["rules"]]
    assert {each["lane"] for each in labels if "lane" in each} == {"critical", "high", "normal", "sleepy", "all"}
    assert "low" not in {each.get("component") for each in labels}


def test_a_lane_without_an_objective_is_refused() -> None:
    """Its alerts would be blind; where there are no rules none is needed."""
    values = {"topology": OWN["topology"], "workers": OWN["workers"]}
    with pytest.raises(helm_python.HelmError, match=r"monitoring\.objectives\.sleepy: missing"):
        rule_groups(values)
    assert render(values)


def of(series: Mapping[str, str], release: str = RELEASE, namespace: str = NAMESPACE) -> dict[str, str]:
    """Series as they are after the relabelling of a PodMonitor."""
    labels = f'namespace="{namespace}",release="{release}"'
    parts = {name.partition("{")[::2]: values for name, values in series.items()}
    return {f"{name}{{{labels}{',' if rest else ''}{rest or '}'}": values for (name, rest), values in parts.items()}


def _firing(
    name: str, series: dict[str, str], at: str, directory: Path, groups: list[Object] = GROUPS, which: str = ""
) -> int:
    """How many alerts of that name fire: what promtool says it got where a test expects none."""
    alert = f'count(ALERTS{{alertname="{name}",alertstate="firing",{which}}}) or vector(0)'
    test = {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [{"expr": alert, "eval_time": at, "exp_samples": [{"labels": "{}", "value": -1}]}],
    }
    file = directory / "test.yaml"
    file.write_text(
        json.dumps({"rule_files": [str(written(groups, directory))], "evaluation_interval": "1m", "tests": [test]})
    )
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    got = re.search(r"got: *\[?\s*(?:Labels: *)?\{\} +(?:Value: *)?([0-9.]+)", done.stdout + done.stderr, re.IGNORECASE)
    assert got, done.stdout + done.stderr
    return round(float(got[1]))


@pytest.mark.parametrize("platforms", [(), ("push-apns", "push-fcm")])
def test_nobody_is_paged_for_a_worker_that_is_off(platforms: tuple[str, ...]) -> None:
    """Who runs is asked after, and nobody else; all other rules are there whoever runs."""
    objects = render(profile("prod") | {"workers": {name: {"enabled": True} for name in platforms}})
    [made] = of_kind(objects, "PrometheusRule").values()
    rules = [rule for group in made["spec"]["groups"] for rule in group["rules"]]
    away = {rule["labels"]["component"] for rule in rules if rule.get("alert") == "LockstepWorkerAway"}
    running = {name.removeprefix("ls-lockstep-") for name in of_kind(objects, "Deployment")}
    assert away == running & set(topology().workers)
    assert set(platforms) < away < set(topology().workers)
    others = [rule for rule in RULES if rule.get("alert") != "LockstepWorkerAway"]
    assert [rule for rule in rules if rule.get("alert") != "LockstepWorkerAway"] == others


def names_of(expression: str) -> set[str]:
    """The metrics that an expression reads. Raises ValueError for one that is no PromQL."""
    promql_parser.parse(expression)
    return {name for name in re.findall(r"\b(lockstep[a-z_:0-9]*)\b(?=[{\[) ]|$)", expression) if name != "lockstep"}


def plain(series: str) -> str:
    """The name of a family from that of a series."""
    return re.sub(r"_(total|bucket|count|sum)$", "", series)


@cache
def exported() -> frozenset[str]:
    """The names that a worker, the edge and the prober export, without `_total` and its like: a scrape of all three."""
    metrics = Metrics()
    app = SimpleNamespace(_consumer=None, transport=SimpleNamespace(failure=None))
    table = SimpleNamespace(entries=int, memory=int, rows_read=0, bad_rows=0, early_drops=0)
    export(metrics, app, dict.fromkeys(topology().tables, table))
    export_agents(metrics, app, {}, "", topology())
    edge = Metrics()
    stores = ClientMetrics("redis"), ClientMetrics("cassandra")
    export_edge(MagicMock(), MagicMock(), MagicMock(), MagicMock(), stores, edge)
    prober = Metrics()
    types = dict.fromkeys(topology().lane_names(), "type")
    export_prober(prober, Prober(MagicMock(), types, "account", 1.0))
    families = [*metrics.collect(), *edge.collect(), *prober.collect()]
    return frozenset(family.name for family in families)


def test_every_metric_of_a_rule_is_exported() -> None:
    """By its name in the code, or it is a recording of another rule."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    known = exported()
    for rule in RULES:
        for name in names_of(rule["expr"]) - recorded:
            assert plain(name) in known, name


DASHBOARDS: Final = sorted((CHART / "files" / "dashboards").glob("*.json"))


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_query_of_a_dashboard_reads_what_is_exported(path: Path) -> None:
    """Well-formed, each with a letter of its own, of the release that the reader chose."""
    recorded = {rule["record"] for rule in RULES if "record" in rule}
    panels = json.loads(path.read_text())["panels"]
    assert len(panels) >= 3
    for panel in panels:
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == list("ABCDEF"[: len(letters)])
        for target in panel["targets"]:
            names = names_of(target["expr"])
            assert names, target["expr"]
            assert 'namespace=~"$namespace",release=~"$release"' in target["expr"]
            for name in names - recorded:
                assert plain(name) in exported(), name


def test_there_is_a_panel_for_conservation() -> None:
    """In = out + in flight, at a glance."""
    gates = json.loads(next(path for path in DASHBOARDS if path.stem == "gates").read_text())
    assert gates["panels"][0]["title"] == "Conservation"


def test_every_alert_has_its_runbook_and_the_other_way_round() -> None:
    """The link of an alert leads to a section of its own name."""
    sections = set(re.findall(r"^## (Lockstep\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE))
    assert sections == {rule["alert"] for rule in ALERTS}
    assert all(rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}" for rule in ALERTS)


def test_the_table_of_objectives_is_that_of_the_rules() -> None:
    """docs/runbooks.md says what the alerts hold lanes to."""
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) s \| ([\d.]+) % \|$", (ROOT / "docs" / "runbooks.md").read_text(), re.M)
    held = {lane: (float(within), float(part)) for lane, within, part in rows}
    assert held == {lane: (each.seconds, each.percent) for lane, each in OBJECTIVES.items()}
    assert set(held) == set(topology().lane_names())
