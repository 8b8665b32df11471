"""Every query of every dashboard and rule, executed by a real Prometheus on a running lockstep."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.chart.workers import WORKERS
from deploy.monitoring.dashboards import boards
from streams.check import load_file
from streams.topology import Topology
from tests.chart.rendering import Object, rule_groups
from tests.e2e.events import home_of, publish
from tests.e2e.household import Household, until
from tests.e2e.prometheus import LABELS, Prometheus, operands, prometheus
from tests.e2e.system import System
from tests.e2e.test_metrics import MEMBERS, load, member

#: The one alert that rings at once when the machine is slow, as machines of tests may be.
SLOW = "LockstepLatencyBudgetBurns"


@pytest.fixture(scope="module")
def topology(running: System) -> Topology:
    """That of the system."""
    return load_file(running.pipeline.environment["LOCKSTEP_TOPOLOGY"], handlers=False)


@pytest.fixture(scope="module")
def groups(running: System) -> list[Object]:
    """The rules of a release with its topology."""
    text = Path(running.pipeline.environment["LOCKSTEP_TOPOLOGY"]).read_text()
    text = re.sub(r"^schemas: .*$", "schemas: schemas", text, flags=re.MULTILINE)  # a path of this machine here
    return rule_groups({"topology": text, "workers": dict.fromkeys(WORKERS)})


@pytest.fixture(scope="module")
def rules(groups: list[Object]) -> list[Object]:
    """All of them."""
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def metrics(running: System, groups: list[Object], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """It scrapes every process, a prober too, which keeps all lanes busy."""
    url = f"http://127.0.0.1:{running.pipeline.environment['LOCKSTEP_EDGE__PORT']}"
    prober = running.pipeline.start("prober", "prober", "--url", url, "--interval", "1s")
    members = [*(member(running, name) for name in MEMBERS), prober]
    with prometheus(tmp_path_factory.mktemp("prometheus"), members, groups) as made:
        try:
            yield made
        finally:
            prober.stop()


@pytest.fixture
async def busy(running: System, metrics: Prometheus) -> AsyncIterator[Prometheus]:
    """Events of all kinds have ended in all ways since the first scrape."""
    await until(metrics.ready, lambda: "Prometheus does not answer")
    await metrics.answers([f'up{{component="{name}"}} == 1' for name in (*MEMBERS, "prober")])
    async with Household(running) as home:
        await home.on("tv")
        phone = await home.register("phone", "phone")
        await publish(running, home_of(home.account), load(home.account))
        await phone.pull()
        yield metrics


def chosen(query: str) -> str:
    """A dashboard's query with its variables set."""
    for name, value in LABELS.items():
        query = query.replace(f"${name}", value)
    assert "$" not in query
    return query


def guards(query: str, rules: list[Object]) -> list[str]:
    """What rules compare that record what the query reads: they record nothing while too little comes to judge by."""
    return [part for rule in rules if rule.get("record", "nothing") in query for part in operands(rule["expr"])]


async def test_every_query_of_every_dashboard_has_an_answer(busy: Prometheus, rules: list[Object]) -> None:
    """Each shows at least one series, be it of zeros; and the variables find what to choose from."""
    dashboards = [json.loads(text) for text in boards().values()]
    queries = [
        chosen(target["expr"]) for board in dashboards for panel in board["panels"] for target in panel["targets"]
    ]
    assert len(queries) > 30
    await busy.answers([asked for query in queries for asked in guards(query, rules) or [query]])
    for board in dashboards:
        for variable in board["templating"]["list"]:
            if found := re.fullmatch(r"label_values\((\w+), (\w+)\)", str(variable.get("query", ""))):
                values = {series["metric"].get(found[2]) for series in busy.query(found[1])}
                assert values == {LABELS[found[2]]}


async def test_every_rule_is_evaluated_and_rings_nobody(
    busy: Prometheus, rules: list[Object], topology: Topology
) -> None:
    """What it compares has series, so that its silence says that all is well; what it records is there."""
    compared = [part for rule in rules for part in operands(rule["expr"])]
    await busy.answers([asked for part in compared for asked in guards(part, rules) or [part]])
    await busy.answers([f'lockstep:latency_budget_burn:rate5m{{lane="{lane}"}}' for lane in topology.lane_names()])
    found = busy.rules()
    assert len(found) == len(rules)
    assert [(rule["name"], rule.get("lastError")) for rule in found if rule["health"] != "ok"] == []
    assert {rule["name"] for rule in found if rule.get("state") == "firing"} <= {SLOW}


async def test_conservation_is_a_proven_zero(busy: Prometheus, rules: list[Object]) -> None:
    """Records taken are accounted for in every stage and lane."""
    [drift] = [
        part for rule in rules if rule.get("alert") == "LockstepConservationDrifts" for part in operands(rule["expr"])
    ]

    def balanced() -> bool:
        return {float(series["value"][1]) for series in busy.query(drift)} == {0.0}

    await until(balanced, lambda: busy.query(drift))
    assert len(busy.query(drift)) == 13
