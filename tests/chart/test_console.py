"""The console in the manifests: what it may ask, who gets to it, and what it is given."""

from __future__ import annotations

import json

from tests.chart.rendering import of_kind, pods, profile, render


def test_the_console_knows_every_pod_and_nobody_else_is_let_in() -> None:
    """Behind each of its targets is a Service without an address of its own, for the pods of one Deployment."""
    objects = render(profile("prod"))
    services, deployments = of_kind(objects, "Service"), of_kind(objects, "Deployment")
    [container] = pods(objects)["Deployment/ls-lockstep-console"]["containers"]
    told = {each["name"]: each.get("value", "") for each in container["env"]}
    targets = json.loads(told["LOCKSTEP_CONSOLE__TARGETS"])
    asked = {name.removeprefix("ls-lockstep-") for name in deployments} - {"console", "prober"}
    assert set(targets) == asked
    for name, target in targets.items():
        host, _, port = target.rpartition(":")
        service = services[host]["spec"]
        assert service["clusterIP"] == "None"
        assert [(each["name"], str(each["port"])) for each in service["ports"]] == [("health", port)]
        selector = deployments[f"ls-lockstep-{name}"]["spec"]["selector"]["matchLabels"]
        assert service["selector"] == selector
    assert told["LOCKSTEP_CONSOLE__EDGE"] == "https://lockstep.example.org"
    assert told["LOCKSTEP_CONSOLE__HTTPS"] == "false"
    policies = of_kind(objects, "NetworkPolicy")
    [opened] = [
        rule for rule in policies["ls-lockstep-consoles"]["spec"]["ingress"] if rule["ports"][0]["port"] == "console"
    ]
    assert opened["from"] == [{"podSelector": {}}]
    for role in ("workers", "edges"):
        rules = [rule for rule in policies[f"ls-lockstep-{role}"]["spec"]["ingress"] if "console" in json.dumps(rule)]
        assert [rule["ports"] for rule in rules] == [[{"port": "health", "protocol": "TCP"}]]


def test_the_console_on_the_net_has_https_a_place_for_its_index_and_a_key() -> None:
    """Where the values say so; without it nothing of it is there."""
    values = {
        "enabled": True, "playKey": "play", "volumeClaim": "index", "edge": "https://push.example",
        "ingress": {"enabled": True, "host": "console.example", "tlsSecret": "tls"},
    }  # fmt: skip
    controller = [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}]
    objects = render({"console": values, "networkPolicy": {"operators": controller}})
    spec = pods(objects)["Deployment/ls-lockstep-console"]
    told = {each["name"]: each.get("value", "") for each in spec["containers"][0]["env"]}
    assert told["LOCKSTEP_CONSOLE__HTTPS"] == "true"
    assert told["LOCKSTEP_CONSOLE__EDGE"] == "https://push.example"
    mounts = {each["name"]: each["mountPath"] for each in spec["containers"][0]["volumeMounts"]}
    assert told["LOCKSTEP_CONSOLE__PLAY_KEY"] == f"{mounts['play']}/private.jwk"
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "index"}
    assert volumes["play"]["secret"]["secretName"] == "play"
    [rule] = of_kind(objects, "Ingress")["ls-lockstep-console"]["spec"]["rules"]
    assert rule["host"] == "console.example"
    found = render({"console": {"enabled": False}})
    names = [each["metadata"]["name"] for each in found]
    assert [name for name in names if "console" in name or name.endswith("-pods")] == []
