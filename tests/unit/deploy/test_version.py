"""One version of lockstep, wherever it is named."""

from __future__ import annotations

import re

import pytest

from tests.unit.fakes import ROOT

_VERSION = r"\d+\.\d+\.\d+"


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("clients/python/pyproject.toml", r'^version = "(.+)"$'),
        ("deploy/helm/lockstep/Chart.yaml", r"^version: (.+)$"),
        ("deploy/helm/lockstep/Chart.yaml", r"^appVersion: (.+)$"),
        ("deploy/docker/compose.yaml", r"^  image: lockstep:(.+)$"),
        ("docs/install.md", r"^docker build -t REGISTRY/lockstep:(\S+)"),
        ("docs/upgrade.md", rf"^## ({_VERSION})"),
        ("CHANGELOG.md", rf"^## ({_VERSION})"),
    ],
)
def test_the_version_is_that_of_the_project(path: str, where: str) -> None:
    """pyproject.toml says which; where there are sections of several the newest stands first."""
    [version] = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert re.findall(where, (ROOT / path).read_text(), re.MULTILINE)[0] == version
