"""The Dockerfile and the compose file name what is there, and run what topics.yaml says."""

from __future__ import annotations

import re

import pytest
import yaml

from streams.check import load
from streams.settings import read_settings
from tests.unit.fakes import ROOT

DOCKER = ROOT / "deploy" / "docker"


def test_the_image_is_built_from_what_is_there() -> None:
    """Each file that is copied exists and passes .dockerignore; nothing is installed without its hash."""
    text = (DOCKER / "Dockerfile").read_text()
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in let_in, source
    installs = re.findall(r"pip install (.*?)(?: \\|$)", text, re.MULTILINE)
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-index" in each for each in installs)
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)


def test_compose_runs_every_worker_that_needs_no_credentials() -> None:
    """With settings that the program takes, on a read-only root; keys are made before anybody reads them."""
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    ours = {name: each for name, each in services.items() if each["image"].startswith("lockstep:")}
    workers = {each["command"][1] for each in ours.values() if each["command"][0] == "run"}
    shipped = set(load((ROOT / "topics.yaml").read_text(), "topics.yaml", handlers=False).workers)
    assert workers == shipped - {"push-apns", "push-fcm", "push-webpush"}
    for each in ours.values():
        read_settings(each["environment"])
        assert each["read_only"] is True
        assert set(each["depends_on"]) <= set(services)


@pytest.mark.parametrize(("store", "image"), [("kafka", "apache/kafka"), ("cassandra", "cassandra")])
@pytest.mark.parametrize("path", ["deploy/docker/compose.yaml", "examples/stores.yaml"])
def test_stores_in_containers_are_of_the_version_that_the_tests_run(store: str, image: str, path: str) -> None:
    """deploy/local/*.pom.xml name it: for Cassandra to the release, for Kafka to the patch."""
    artifacts = rf"<groupId>org\.apache\.{store}</groupId>\s+<artifactId>.*</artifactId>\s+<version>(.+)</version>"
    [tested] = set(re.findall(artifacts, (ROOT / f"deploy/local/{store}.pom.xml").read_text()))
    [found] = re.findall(rf"image: {image}:(\S+)", (ROOT / path).read_text())
    assert found == tested or (store == "cassandra" and tested.startswith(f"{found}."))
