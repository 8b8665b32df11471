"""Who has which secret, and who may talk to whom, in the manifests."""

from __future__ import annotations

import re

from deploy.access import cassandra_grants, kafka_rights, redis_keys, roles
from deploy.chart.workers import WORKERS
from streams.check import load_file
from tests.chart.rendering import Object, containers, of_kind, pods, profile, render
from tests.unit.fakes import ROOT


def test_no_secret_is_in_the_manifests(objects: list[Object]) -> None:
    """They come by reference: there is no Secret, and nothing in the environment is one."""
    assert of_kind(objects, "Secret") == {}
    for name, each in of_kind(objects, "ConfigMap").items():
        assert [key for key in each["data"] if re.search(r"(PASSWORD|KEY)$", key)] == [], name


def test_each_role_has_a_login_of_its_own() -> None:
    """With `{role}` in the name of a Secret; the roles are those of docs/access.md."""
    found = pods(render(profile("tls-sasl")))
    logins = {}
    for name, spec in found.items():
        [secrets] = [volume["projected"]["sources"] for volume in spec["volumes"] if volume["name"] == "secrets"]
        logins[name.rpartition("lockstep-")[2]] = {source["secret"]["name"] for source in secrets}
    topology = load_file(str(ROOT / "topics.yaml"), handlers=False)
    assert {name: {f"lockstep-{'prober' if name == 'test' else name}"} for name in logins} == logins
    assert set(logins) - {"test"} <= set(roles(topology))
    assert {"critical", "edge", "topics", "schema"} <= set(logins)


def test_a_pod_mounts_what_its_role_uses_and_no_other_secret() -> None:
    """By docs/access.md for the stores; a platform's credentials are its worker's, token keys theirs and the edge's."""
    names = ("KAFKA__SECURITY", "CASSANDRA__PASSWORD", "REDIS__PASSWORD", "REGISTRY__TOKEN_KEYS", "APNS__KEY",
             "FCM__ACCOUNT", "WEBPUSH__KEY", "LIMITS__FINGERPRINT_KEY", "TOKENS__ISSUER")  # fmt: skip
    files = {f"LOCKSTEP_{name}": {"secret": "s", "key": "k"} for name in names}
    platforms = {name: {"enabled": True} for name in WORKERS if name.startswith("push-")}
    objects = render({"secretFiles": files, "workers": platforms, "prober": {"enabled": True}})
    topology = load_file(str(ROOT / "topics.yaml"), handlers=False)
    for name, spec in pods(objects).items():
        role = name.rpartition("ls-lockstep-")[2].replace("test", "prober")
        worker = topology.workers.get(role)
        outside = {*worker.platforms} - {"socket"} if worker else set()
        used = {
            "KAFKA": bool(kafka_rights(topology, role)), "CASSANDRA": bool(cassandra_grants(topology, role)),
            "REDIS": bool(redis_keys(topology, role)), "REGISTRY": role == "edge" or bool(outside),
            "APNS": "apns" in outside, "FCM": "fcm" in outside, "WEBPUSH": "webpush" in outside,
            "LIMITS": worker is not None, "TOKENS": True,
        }  # fmt: skip
        expected = {variable for variable in files if used[variable.removeprefix("LOCKSTEP_").partition("__")[0]]}
        sources = [v["projected"]["sources"] for v in spec["volumes"] if v["name"] == "secrets"]
        assert {item["path"] for source in sources[0] for item in source["secret"]["items"]} == expected, name
        for container in containers(spec):
            told = {each["name"] for each in container["env"] if each["name"].endswith("_FILE")}
            assert told == {f"{variable}_FILE" for variable in expected}, name


def test_every_pod_has_a_network_policy(objects: list[Object]) -> None:
    """Both ways; the port for pushes is open to workers alone."""
    policies = of_kind(objects, "NetworkPolicy")
    for name, spec in pods(objects).items():
        found = [
            policy
            for policy in policies.values()
            if policy["spec"]["podSelector"]["matchLabels"].items() <= spec["labels"].items()
        ]
        assert ["Ingress", "Egress"] in [policy["spec"]["policyTypes"] for policy in found], name
    [pushes] = [
        rule for rule in policies["ls-lockstep-edges"]["spec"]["ingress"] if rule["ports"][0]["port"] == "pushes"
    ]
    assert [peer["podSelector"]["matchLabels"]["lockstep/role"] for peer in pushes["from"]] == ["worker"]
