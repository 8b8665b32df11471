"""The manifests of every profile: as committed, valid at both ends of the supported range, hardened, consistent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.chart.workers import WORKERS
from streams.check import load, load_file
from streams.event_schemas import read_schemas
from streams.settings import read_settings
from streams.topology import Topology
from tests.chart.rendering import (
    CHART,
    GOLDEN,
    PROFILES,
    Object,
    chart,
    containers,
    golden,
    notes,
    of_kind,
    pods,
    profile,
)
from tests.chart.validation import problems
from tests.unit.fakes import ROOT

LOWEST, HIGHEST = "1.30", "1.37"


def topology_of(objects: list[Object]) -> Topology:
    """The topology that processes of a release load."""
    text = of_kind(objects, "ConfigMap")["ls-lockstep-topology"]["data"]["topics.yaml"]
    return load(text, "topics.yaml")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_as_committed(name: str) -> None:
    """A change of the chart shows in each profile: `make chart` writes them anew."""
    assert (GOLDEN / f"{name}.yaml").read_text() == golden(name)


@pytest.mark.parametrize("version", [LOWEST, HIGHEST])
def test_every_object_is_valid(objects: list[Object], version: str) -> None:
    """At the lowest and the highest minor that are supported, with no kind unknown."""
    assert problems(objects, version) == []


def test_the_lowest_version_is_that_of_the_chart() -> None:
    """Helm refuses older clusters."""
    assert f">={LOWEST}.0" in yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]


def test_validation_finds_what_is_wrong() -> None:
    """A wrong type, an unknown field, an unknown kind."""
    good = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    scaled = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "a"}}
    trigger = {"type": "kafka", "metadata": {"lagThreshold": 10}}
    assert problems([good], HIGHEST) == []
    for bad in (
        {**good, "data": {"a": 1}},
        {**good, "dta": {}},
        {**good, "kind": "Confetti"},
        {**scaled, "spec": {"scaleTargetRef": {"name": "a"}, "triggers": [trigger]}},
        {**scaled, "spec": {"scaleTargetRef": {"name": "a"}, "triggers": [], "pause": 1}},
    ):
        assert len(problems([bad], HIGHEST)) == 1, bad


def test_every_pod_meets_the_restricted_standard(objects: list[Object]) -> None:
    """Not root, no privileges, read-only root, no token of the API, bounded resources; a fixed image in production."""
    found = pods(objects)
    assert len(found) >= 8
    for name, spec in found.items():
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= {
            "configMap", "secret", "projected", "emptyDir",
        }  # fmt: skip
        for container in containers(spec):
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert set(container["resources"]) == {"requests", "limits"}


def test_topics_are_those_of_topics_yaml(objects: list[Object]) -> None:
    """Every worker that is on is a Deployment, every Deployment but three a worker; its topology is ours."""
    topology = topology_of(objects)
    shipped = load((ROOT / "topics.yaml").read_text(), "topics.yaml")
    assert {t.name for t in topology.all_topics()} == {t.name for t in shipped.all_topics()}
    workers = {name.removeprefix("ls-lockstep-") for name in of_kind(objects, "Deployment")}
    workers -= {"edge", "console", "prober"}
    assert workers == {name for name in shipped.workers if WORKERS[name].get("enabled", True)}
    hooks = of_kind(objects, "ConfigMap")["ls-lockstep-hooks-topology"]["data"]
    assert hooks == of_kind(objects, "ConfigMap")["ls-lockstep-topology"]["data"]


def test_the_edge_has_the_schemas_of_its_topology(objects: list[Object], tmp_path: Path) -> None:
    """Its volume, written out, is what the program reads: those of the repository, and no other pod carries them."""
    found = pods(objects)
    with_schemas = {
        name for name, spec in found.items() if any("ls-lockstep-schemas" in str(volume) for volume in spec["volumes"])
    }
    assert with_schemas == {"Deployment/ls-lockstep-edge"}
    [topology] = [volume for volume in found["Deployment/ls-lockstep-edge"]["volumes"] if volume["name"] == "topology"]
    write_out(objects, topology["projected"]["sources"], tmp_path)
    file = tmp_path / "topics.yaml"
    shipped = ROOT / "topics.yaml"
    expected = read_schemas(load_file(str(shipped), handlers=False), str(shipped))
    assert read_schemas(load_file(str(file), handlers=False), str(file)) == expected
    assert len(expected) == 7


def write_out(objects: list[Object], sources: list[Object], directory: Path) -> None:
    """What a kubelet does with a projected volume of ConfigMaps."""
    for source in (each["configMap"] for each in sources):
        data = of_kind(objects, "ConfigMap")[source["name"]]["data"]
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            path = directory / item["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(data[item["key"]])


def environment(objects: list[Object], spec: Object, container: Object) -> dict[str, str]:
    """What a container's process reads."""
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        found |= of_kind(objects, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    for variable in container.get("env", []):
        assert variable["name"] not in found, "helm refuses a name that is there twice"
        found[variable["name"]] = variable.get("value", "10.0.0.1")
    return found


def test_every_variable_is_a_setting_and_has_a_usable_value(objects: list[Object], tmp_path: Any) -> None:
    """The program's own reader takes the environment of every container."""
    for spec in pods(objects).values():
        for container in containers(spec):
            found = environment(objects, spec, container)
            for name in [name for name in found if name.endswith("_FILE")]:
                file = tmp_path / name
                file.write_text("{}" if "SECURITY" in name else "x")
                found[name] = str(file)
            read_settings(found)


def test_every_file_of_the_environment_is_mounted(objects: list[Object]) -> None:
    """And every mount has its volume."""
    for spec in pods(objects).values():
        volumes = {volume["name"] for volume in spec["volumes"]}
        for container in containers(spec):
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            paths = [text for text in environment(objects, spec, container).values() if text.startswith("/")]
            assert paths
            assert [path for path in paths if not any(path.startswith(mount) for mount in mounts)] == []


def test_the_autoscaler_reads_what_its_worker_reads(objects: list[Object]) -> None:
    """Group = app, topics = the worker's inputs but retries; no more pods than partitions, no replicas beside it."""
    topology = topology_of(objects)
    scaled = {**of_kind(objects, "ScaledObject"), **of_kind(objects, "HorizontalPodAutoscaler")}
    deployments = of_kind(objects, "Deployment")
    assert all(("replicas" in deployments[name]["spec"]) != (name in scaled) for name in deployments)
    for name, each in of_kind(objects, "ScaledObject").items():
        worker = name.removeprefix("ls-lockstep-")
        kafka = [trigger for trigger in each["spec"]["triggers"] if trigger["type"] == "kafka"]
        if worker == "edge":
            assert kafka == []
            continue
        assert {trigger["metadata"]["consumerGroup"] for trigger in kafka} == {worker}
        read = {b.topic for b in topology.bindings(worker) if not b.topic.endswith(".retry")}
        assert {trigger["metadata"]["topic"] for trigger in kafka} == read
        assert each["spec"]["maxReplicaCount"] <= topology.partitions
        assert all(int(trigger["metadata"]["lagThreshold"]) >= 1000 for trigger in kafka)


def test_selectors_never_change(objects: list[Object]) -> None:
    """No version in what selects, and each selects its own pods alone."""
    labels = [spec["labels"] for spec in pods(objects).values()]
    for each in of_kind(objects, "Deployment").values():
        wanted = each["spec"]["selector"]["matchLabels"]
        assert set(wanted) == {f"app.kubernetes.io/{word}" for word in ("name", "instance", "component")}
        assert sum(wanted.items() <= found.items() for found in labels) == 1


def test_grace_is_longer_than_what_a_stop_takes(objects: list[Object]) -> None:
    """30 s of a worker; of the edge 5 s before the signal, then its paced drain."""
    for spec in pods(objects).values():
        component = spec["labels"]["app.kubernetes.io/component"]
        if spec["labels"]["lockstep/role"] == "worker":
            assert spec["terminationGracePeriodSeconds"] > 30
        if component == "edge":
            assert spec["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
            assert spec["terminationGracePeriodSeconds"] >= 5 + 25


def test_hooks_come_before_what_needs_them(objects: list[Object]) -> None:
    """Their account and files before the Jobs; topics are planned before they are made."""
    hooked = [
        each for each in objects if "pre-install" in each["metadata"].get("annotations", {}).get("helm.sh/hook", "")
    ]
    weights = {each["kind"]: int(each["metadata"]["annotations"]["helm.sh/hook-weight"]) for each in hooked}
    assert {"Job", "ConfigMap", "ServiceAccount"} <= set(weights)
    assert weights["Job"] > max(weights["ConfigMap"], weights["ServiceAccount"])
    topics = of_kind(objects, "Job")["ls-lockstep-topics"]["spec"]["template"]["spec"]
    assert [each["args"] for each in containers(topics)] == [["topics", "plan"], ["topics", "apply"]]
    assert all("hook-succeeded" in each["metadata"]["annotations"]["helm.sh/hook-delete-policy"] for each in hooked)


def test_the_notes_begin_with_three_commands() -> None:
    """And say what stays after an uninstall, and how many partitions there will always be."""
    text = notes(profile("prod"))
    assert len(re.findall(r"^  (kubectl|helm) ", text, re.MULTILINE)) == 3
    assert "partitions, 48, never changes" in text
    assert "What stays after `helm uninstall`" in text


def test_the_stores_for_trying_are_where_the_chart_looks() -> None:
    """Valid objects, whose Services have the names and ports of the chart's defaults."""
    found = list(yaml.safe_load_all((ROOT / "examples" / "stores.yaml").read_text()))
    assert problems(found, LOWEST) == problems(found, HIGHEST) == []
    services = {name: each["spec"]["ports"][0]["port"] for name, each in of_kind(found, "Service").items()}
    config = chart().values["config"]
    assert config["kafka"]["servers"] == f"kafka:{services['kafka']}"
    assert [config["cassandra"]["port"], config["redis"]["port"]] == [services["cassandra"], services["redis"]]
    for spec in pods(found).values():
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert [each["securityContext"]["capabilities"] for each in containers(spec)] == [{"drop": ["ALL"]}]
