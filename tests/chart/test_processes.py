"""What the manifests would start, started: hooks, then each container's command line with its environment and files."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from deploy.local.pipeline import Pipeline, ProcessFailed
from deploy.local.ports import free_ports
from edge.auth.tokens import generate_keys
from tests.chart.rendering import Object, containers, of_kind, pods, profile, render

ORDER = ("ls-lockstep-topics", "ls-lockstep-schema")


@pytest.fixture(scope="module")
def objects(kafka: str, cassandra_address: tuple[str, int], redis_address: tuple[str, int]) -> list[Object]:
    """The dev profile for the servers of this run."""
    stores = {
        "kafka": {"servers": kafka},
        "cassandra": {"contact_points": [cassandra_address[0]], "port": cassandra_address[1], "keyspace": "chart"},
        "redis": {"host": redis_address[0], "port": redis_address[1], "database": 15},
        "topic_prefix": "chart.",
    }
    return render(profile("dev") | {"config": stores})


@pytest.fixture(scope="module")
def mounted(objects: list[Object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of all containers, its files under a directory of this run and its ports free ones."""
    root = tmp_path_factory.mktemp("pod")
    (root / "etc/lockstep/tokens").mkdir(parents=True)
    (root / "etc/lockstep/topology").mkdir()
    generate_keys(root / "etc/lockstep/tokens")
    topology = of_kind(objects, "ConfigMap")["ls-lockstep-topology"]["data"]["topics.yaml"]
    (root / "etc/lockstep/topology/topics.yaml").write_text(topology)
    found: dict[str, str] = of_kind(objects, "ConfigMap")["ls-lockstep"]["data"]
    moved = {name: f"{root}{text}" if text.startswith("/") else text for name, text in found.items()}
    names = ("EDGE__PORT", "EDGE__PUSH_PORT", "CONSOLE__PORT")
    return moved | {f"LOCKSTEP_{name}": str(port) for name, port in zip(names, free_ports(3), strict=True)}


@pytest.fixture(scope="module")
def pipeline(mounted: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Starts what containers would start."""
    with Pipeline(mounted, tmp_path_factory.mktemp("run"), free_ports(20)) as made:
        yield made


def test_every_command_line_starts_gets_ready_and_stops_in_time(objects: list[Object], pipeline: Pipeline) -> None:
    """The hooks end with 0 before anything else runs; all the others get ready, and end with 0 within their grace."""
    found = pods(objects)
    for name in ORDER:
        _hook(of_kind(objects, "Job")[name]["spec"], pipeline)
    graces = {}
    for name, spec in found.items():
        if name.startswith("Deployment/"):
            [container] = spec["containers"]
            own = {v["name"]: v["value"] for v in container.get("env", []) if v["name"].startswith("LOCKSTEP_CONSOLE")}
            member = pipeline.start(name.rpartition("-")[2], *container["args"], **own)
            graces[member.name] = spec["terminationGracePeriodSeconds"], member
    assert set(graces) == {"router", "critical", "high", "normal", "low", "webhook", "edge", "console"}
    pipeline.wait_ready([member for _, member in graces.values()], 120.0)
    started = time.monotonic()
    for _, member in graces.values():
        member.process.terminate()
    for name, (grace, member) in graces.items():
        left = max(0.1, started + grace - time.monotonic())
        assert member.process.wait(left) == 0, (name, member.tail())


def _hook(job: Object, pipeline: Pipeline) -> None:
    """Run the containers of a Job one after the other, again as often as it may fail."""
    for left in reversed(range(job["backoffLimit"] + 1)):
        try:
            for container in containers(job["template"]["spec"]):
                pipeline.command(*container["args"])
        except ProcessFailed:
            if not left:
                raise
        else:
            return
