"""A real Prometheus that scrapes a running lockstep as the chart's PodMonitor has it do, and evaluates its rules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import promql_parser
import yaml

from deploy.local.pipeline import Member
from deploy.local.ports import free_ports
from tests.chart.rendering import NAMESPACE, RELEASE, Object
from tests.e2e.household import until

#: What the PodMonitor adds to every series, for rules and dashboards to choose by.
LABELS: Final = {"namespace": NAMESPACE, "release": RELEASE}
_COMPARISONS: Final = frozenset({"==", "!=", ">", "<", ">=", "<="})


class Prometheus:
    """Its HTTP interface."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self._port = port
        self._process = process
        self._log = log

    def ready(self) -> bool:
        """Whether it answers; fails with its last words when it has ended."""
        assert self._process.poll() is None, self._log.read_text()[-1000:]
        try:
            return self._ask("/-/ready")[0] == HTTPStatus.OK
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query. Fails with what Prometheus says where it cannot be evaluated."""
        status, text = self._ask("/api/v1/query?" + urlencode({"query": expression}))
        assert status == HTTPStatus.OK, f"{expression}: {text}"
        found: list[dict[str, Any]] = json.loads(text)["data"]["result"]
        return found

    async def answers(self, expressions: list[str], seconds: float = 90.0) -> None:
        """Wait until each has a series; fails with those that have none."""
        missing = list(expressions)

        def all_do() -> bool:
            missing[:] = [each for each in missing if not self.query(each)]
            return not missing

        await until(all_do, lambda: missing, seconds)

    def rules(self) -> list[dict[str, Any]]:
        """What it has made of each rule: health, last error, state."""
        _, text = self._ask("/api/v1/rules")
        return [rule for group in json.loads(text)["data"]["groups"] for rule in group["rules"]]

    def _ask(self, path: str) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=30)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@contextmanager
def prometheus(directory: Path, members: list[Member], groups: list[Object]) -> Iterator[Prometheus]:
    """It looks at each member once a second, and evaluates these rules as often."""
    [port] = free_ports(1)
    often = {"groups": [{**group, "interval": "1s"} for group in groups]}
    (directory / "rules.yaml").write_text(yaml.safe_dump(often))
    targets = [
        {
            "targets": [f"127.0.0.1:{member.health_port}"],
            "labels": {**LABELS, "component": member.name, "pod": member.name},
        }
        for member in members
    ]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(directory / "rules.yaml")],
        "scrape_configs": [{"job_name": "lockstep", "static_configs": targets}],
    }
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(config))
    command = [
        "prometheus", f"--config.file={directory / 'prometheus.yaml'}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    log = directory / "prometheus.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield Prometheus(port, process, log)
        finally:
            process.terminate()


def operands(expression: str) -> list[str]:
    """The parts of an expression whose numbers it compares; itself where it compares nothing.

    Where they have series and the whole has none, the answer is a proven no; without them nobody was asked.
    """
    return list(dict.fromkeys(_operands(promql_parser.parse(expression))))


def _operands(node: Any) -> Iterator[str]:
    kind = type(node).__name__
    if kind == "ParenExpr":
        yield from _operands(node.expr)
    elif kind == "Call" and node.func.name == "absent":
        yield from _operands(node.args[0])
    elif kind == "BinaryExpr" and (filters(node) or str(node.op) in ("and", "unless")):
        yield from _operands(node.lhs)
        yield from _operands(node.rhs)
    elif "lockstep" in (text := node.prettify()):  # not a number
        yield text


def filters(node: Any) -> bool:
    """Whether a comparison in it drops series."""
    kind = type(node).__name__
    if kind == "ParenExpr":
        return filters(node.expr)
    if kind != "BinaryExpr":
        return False
    compares = str(node.op) in _COMPARISONS and not (node.modifier and node.modifier.return_bool)
    return compares or filters(node.lhs) or filters(node.rhs)
