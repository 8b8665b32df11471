"""The chart, rendered in process by Helm's own engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml

from tests.unit.fakes import ROOT

CHART: Final = ROOT / "deploy" / "helm" / "lockstep"
GOLDEN: Final = Path(__file__).parent / "golden"
PROFILES: Final = {path.stem: path for path in sorted((CHART / "profiles").glob("*.yaml"))}
RELEASE: Final = "ls"
NAMESPACE: Final = "notify"
Object = dict[str, Any]


@cache
def chart() -> helm_python.Chart:
    """The chart, loaded once."""
    return helm_python.Chart.load(str(CHART))


def profile(name: str) -> Object:
    """The values of a profile."""
    values: Object = yaml.safe_load(PROFILES[name].read_text())
    return values


def render(values: Mapping[str, Any], release: str = RELEASE) -> list[Object]:
    """All objects, hooks too. Raises HelmError."""
    texts = chart().render(dict(values), name=release, namespace=NAMESPACE)
    return [each for name, text in texts.items() if name.endswith(".yaml") for each in parsed(text)]


class _Loader(yaml.CSafeLoader):
    """The parser in C, ten times as fast; to it as to Kubernetes `=` is a text like any other."""


_Loader.yaml_implicit_resolvers = {
    first: found for first, found in yaml.CSafeLoader.yaml_implicit_resolvers.items() if first != "="
}


def parsed(text: str) -> list[Object]:
    """The objects of a manifest."""
    return [each for each in yaml.load_all(text, Loader=_Loader) if each]


def rule_groups(values: Mapping[str, Any], release: str = RELEASE) -> list[Object]:
    """The groups of rules of a release."""
    made = render({**values, "monitoring": {"rules": True, **values.get("monitoring", {})}}, release)
    [rules] = of_kind(made, "PrometheusRule").values()
    groups: list[Object] = rules["spec"]["groups"]
    return groups


def notes(values: Mapping[str, Any]) -> str:
    """What `helm install` prints."""
    texts = chart().render(dict(values), name=RELEASE, namespace=NAMESPACE)
    return next(text for name, text in texts.items() if name.endswith("NOTES.txt"))


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def pods(objects: list[Object]) -> dict[str, Object]:
    """Pod specs by kind and name of what makes them, with the pod's labels as `labels`."""
    return {
        f"{each['kind']}/{each['metadata']['name']}": {**pod["spec"], "labels": pod["metadata"]["labels"]}
        for each in objects
        if (pod := _pod(each)) is not None
    }


def _pod(each: Object) -> Object | None:
    if each["kind"] == "Pod":
        return each
    template: Object | None = each.get("spec", {}).get("template") if each["kind"] in ("Deployment", "Job") else None
    return template


def containers(spec: Object) -> Iterator[Object]:
    """All containers of a pod."""
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def golden(name: str) -> str:
    """A profile as it is committed: what other files hold whole, dashboards, is left out."""
    objects = sorted(render(profile(name)), key=lambda each: (each["kind"], each["metadata"]["name"]))
    for each in objects:
        if each["kind"] == "ConfigMap" and not {"LOCKSTEP_TOPOLOGY"} <= set(each["data"]):
            each["data"] = sorted(each["data"])
    text: str = yaml.safe_dump_all(objects, width=120)
    return text
