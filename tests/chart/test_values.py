"""Values: what is refused, with which sentence; and whatever the schema lets through renders and is valid."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import helm_python
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from deploy.chart.schema import OWN, is_secret, setting_paths, variable
from tests.chart.rendering import CHART, PROFILES, Object, chart, containers, of_kind, pods, profile, render
from tests.chart.strategies import allowed
from tests.chart.validation import problems

#: How many renders, about a tenth of a second each with what Hypothesis needs for them; CHART_RENDERS=2000: so many.
EXAMPLES = int(os.environ.get("CHART_RENDERS", "200"))
TOPOLOGY = (CHART / "files" / "topics.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_chart_has_nothing_that_helm_lint_finds() -> None:
    """Neither errors nor warnings, with the defaults."""
    found = helm_python.lint(str(CHART))
    assert found["errors"] == []
    assert [each for each in found["messages"] if each["severity"] > 1] == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"wrokers": {}}, "additional properties 'wrokers' not allowed"),
        ({"edge": {"replica": 2}}, "additional properties 'replica' not allowed"),
        ({"config": {"kafka": {"server": "k:9092"}}}, "additional properties 'server' not allowed"),
        ({"config": {"redis": {"password": "x"}}}, "additional properties 'password' not allowed"),
        ({"config": {"edge": {"port": 1}}}, "additional properties 'port' not allowed"),
        ({"worker": {"resources": {"requests": {"cpu": "much"}}}}, "does not match pattern"),
        ({"config": {"apns": {"key": "x"}}}, "additional properties 'key' not allowed"),
        (
            {"console": {"enabled": True, "ingress": {"enabled": True}}},
            "name its controller in",
        ),
        ({"secretFiles": {"LOCKSTEP_REDIS__PASWORD": {"secret": "s", "key": "k"}}}, "not allowed"),
        ({"workers": {"hihg": {}}}, "workers.hihg: topics.yaml has no such worker; it has critical, high, low, normal"),
        ({"worker": {"replicas": 9}}, "9 pods for 8 partitions"),
        ({"autoscaling": {"kind": "keda"}, "worker": {"scaling": {"max": 9}}}, "9 pods for 8 partitions"),
        (
            {"autoscaling": {"kind": "hpa"}, "workers": {"high": {"scaling": {"min": 5, "max": 4}}}},
            "more than the most",
        ),
        ({"autoscaling": {"kind": "keda"}, "workers": {"high": {"scaling": {"lagSeconds": 1}}}}, "never scale down"),
        ({"config": {"kafka": {"security": {"sasl.password": "x"}}}}, "sasl.password is a secret"),
        (
            {
                "config": {"kafka": {"security": {"security.protocol": "SSL"}}},
                "secretFiles": {"LOCKSTEP_KAFKA__SECURITY": {"secret": "s", "key": "k"}},
            },
            "only one can hold",
        ),
        ({"edge": {"ingress": {"enabled": True}, "route": {"enabled": True}}}, "enable one of them"),
        ({"edge": {"route": {"enabled": True}}}, "name the Gateway"),
        ({"edge": {"scaling": {"min": 30}}}, "more than the most"),
        ({"topology": "a: 1"}, "not a topics.yaml of lockstep"),
        ({"schemas": {"member.plan.changed": "{"}}, "schemas.member.plan.changed: not a JSON object"),
        ({"topology": TOPOLOGY + "\n", "config": {"ingest": {"schemas": "enforce"}}}, "there are no schemas"),
        ({"topology": TOPOLOGY.replace("\nschemas: schemas", "\nschemas: ../x")}, "must be a name of one level"),
        (
            {"topology": TOPOLOGY.replace("\nschemas: schemas", ""), "schemas": {"a.b": "{}"}},
            "names their directory",
        ),
    ],
)
def test_what_cannot_be_installed_is_refused_with_a_sentence(values: Object, says: str) -> None:
    """A typo, a secret in plain text, an impossible combination."""
    with pytest.raises(helm_python.HelmError, match=re.escape(says)):
        render(values)


def test_a_topology_of_ones_own_makes_its_own_workers() -> None:
    """One more worker in topics.yaml is one more Deployment; the numbers of partitions and replicas are replaced."""
    text = (CHART / "files" / "topics.yaml").read_text()
    text = text.replace("  low: {stages: [notify, store, push]", "  slow: {stages: [notify, store, push]")
    objects = render({"topology": text, "workers": {"low": None}, "partitions": 24, "replication": 3})
    assert "ls-lockstep-slow" in of_kind(objects, "Deployment")
    assert "ls-lockstep-low" not in of_kind(objects, "Deployment")
    mounted = of_kind(objects, "ConfigMap")["ls-lockstep-topology"]["data"]["topics.yaml"]
    assert "\npartitions: 24\n" in mounted
    assert "\nreplication: 3\n" in mounted


def test_every_setting_can_be_given_and_nothing_else() -> None:
    """The schema's settings and those of the program are the same, but for those that the chart owns."""
    groups = SCHEMA["$defs"]["Values"]["properties"]["config"]["$ref"].rpartition("/")[2]
    found = set()
    for name, schema in SCHEMA["$defs"][groups]["properties"].items():
        inner = SCHEMA["$defs"].get(schema.get("$ref", "").rpartition("/")[2])
        found |= {f"{name}.{field}" for field in inner["properties"]} if inner else {name}
    assert found == {path for path in setting_paths() if path not in OWN and not is_secret(path)}
    files = SCHEMA["$defs"]["Values"]["properties"]["secretFiles"]["properties"]
    assert set(files) == {variable(path) for path in setting_paths() if path not in OWN}


def test_schemas_of_ones_own_replace_those_of_the_chart() -> None:
    """Each is a file of its event type beside topics.yaml."""
    objects = render({"schemas": {"member.plan.changed": '{"type": "object"}'}})
    assert of_kind(objects, "ConfigMap")["ls-lockstep-schemas"]["data"] == {
        "member.plan.changed.json": '{"type": "object"}'
    }
    assert "ls-lockstep-schemas" not in of_kind(render({"topology": TOPOLOGY + "\n"}), "ConfigMap")


@pytest.mark.parametrize("name", ["y", "null", "true"])
def test_a_name_that_yaml_has_another_meaning_for_stays_a_name(name: str) -> None:
    """`y` is true to parsers of YAML 1.1."""
    objects = render(profile("prod") | {"fullnameOverride": name})
    assert problems(objects, "1.37") == []
    assert name in of_kind(objects, "ConfigMap")


@pytest.mark.parametrize("runbooks", ["~ ", "https://wiki.example/$1?a=b: c", 'a"b\\'])
def test_the_address_of_runbooks_is_taken_as_it_is(runbooks: str) -> None:
    """Whatever YAML or a pattern would make of it."""
    objects = render({"monitoring": {"rules": True, "runbooks": runbooks}})
    rules = of_kind(objects, "PrometheusRule")["ls-lockstep"]["spec"]["groups"]
    found = [rule["annotations"]["runbook_url"] for group in rules for rule in group["rules"] if "alert" in rule]
    assert found
    assert all(re.fullmatch(re.escape(runbooks) + "#[a-z]+", each) for each in found)


def test_numbers_keep_their_digits() -> None:
    """Helm's numbers are floats; four million must not become 4e+06."""
    objects = render({"config": {"limits": {"seen_entries": 4_000_000, "dead_letter_ratio": 0.25}}})
    data = of_kind(objects, "ConfigMap")["ls-lockstep"]["data"]
    assert data["LOCKSTEP_LIMITS__SEEN_ENTRIES"] == "4000000"
    assert data["LOCKSTEP_LIMITS__DEAD_LETTER_RATIO"] == "0.25"


def test_extra_objects_are_rendered() -> None:
    """With the release's own names."""
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-x"}, "data": {"a": "b"}}
    assert "ls-x" in of_kind(render({"extraObjects": [extra]}), "ConfigMap")


def _values() -> st.SearchStrategy[Object]:
    """Values that the schema allows, a few keys at a time, over a profile."""
    properties = SCHEMA["$defs"]["Values"]["properties"]
    free = ("topology", "extraObjects", "scheduling", "global", "networkPolicy", "workers")
    keys = sorted(set(properties) - set(free))
    made = {key: allowed(properties[key], SCHEMA["$defs"]) for key in keys}
    one = st.sampled_from(keys).flatmap(lambda key: st.tuples(st.just(key), made[key]))
    over = st.sampled_from([{}, *(profile(name) for name in PROFILES)])
    return st.tuples(over, st.lists(one, max_size=3)).map(lambda made: {**made[0], **dict(made[1])})


@settings(deadline=None, max_examples=EXAMPLES, phases=(Phase.explicit, Phase.generate), derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(_values())
def test_whatever_the_schema_allows_renders_and_is_valid(values: Object) -> None:
    """Or is refused with a sentence that begins with the name of a value; never with an error of a template."""
    refused, objects = "", list[Object]()
    try:
        objects = render(values)
    except helm_python.HelmError as error:
        refused = str(error)
    if refused:
        assert re.search(r"execution error at \(lockstep/templates/config\.yaml:\d+:\d+\): [a-zA-Z.]+", refused), (
            refused
        )
        return
    assert problems(objects, "1.37") == []
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)
    for spec in pods(objects).values():
        for container in containers(spec):
            _no_name_twice(container)


def _no_name_twice(container: Object) -> None:
    for field in ("env", "ports", "volumeMounts"):
        named = [each.get("mountPath", each["name"]) for each in container.get(field, [])]
        assert len(named) == len(set(named)), (field, named)


def test_every_value_is_used() -> None:
    """A key of values.yaml that no template reads is a promise without effect."""
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    unused = [path for path in _paths(chart().values) if path[-1] not in templates]
    assert unused == []


def _paths(values: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    below = {} if path and path[-1] in ("config", "workers", "dashboardLabels", "resources") else values
    if not isinstance(below, dict) or not below:
        return [path]
    return [inner for name, value in below.items() for inner in _paths(value, (*path, name))]
