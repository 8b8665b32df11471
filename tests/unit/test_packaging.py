"""The wheel: exactly our packages and their data, under names that nothing else installed owns."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.unit.fakes import ROOT

PACKAGES = {"streams", "agents", "sinks", "edge"}
PIN = re.compile(r"^([a-z0-9-]+)(?:\[([a-z0-9,-]+)\])?==", re.MULTILINE)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel, built from this checkout with the tools of this environment."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.iterdir()
    with ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: ZipFile) -> None:
    """No tests, benchmarks or deployment files at the top level."""
    top = {name.partition("/")[0] for name in wheel.namelist()}
    [metadata] = top - PACKAGES
    assert metadata.startswith("lockstep-")
    assert metadata.endswith(".dist-info")
    assert top >= PACKAGES


def test_the_wheel_holds_every_module(wheel: ZipFile) -> None:
    """What a checkout imports, an installation imports too."""
    modules = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert modules <= set(wheel.namelist())


@pytest.mark.parametrize(
    ("inside", "source"),
    [
        ("streams/topics.yaml", "topics.yaml"),
        ("streams/schemas/member.plan.changed.json", "schemas/member.plan.changed.json"),
        ("sinks/schema.cql", "sinks/schema.cql"),
    ],
)
def test_the_wheel_holds_what_the_packages_read(wheel: ZipFile, inside: str, source: str) -> None:
    """The topology as shipped and the schema of Cassandra, unchanged."""
    assert wheel.read(inside) == (ROOT / source).read_bytes()


def test_the_wheel_is_never_uploaded(wheel: ZipFile) -> None:
    """An index refuses this classifier; `agents` belongs to somebody else there."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])


def test_the_wheel_brings_one_command(wheel: ZipFile) -> None:
    """The console script and nothing beside it."""
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
    assert wheel.read(name).decode().split("\n", 1) == ["[console_scripts]", "lockstep = edge.cli:main\n"]


def test_nothing_else_owns_our_names() -> None:
    """A distribution with a package of the same name would overwrite ours, or ours it."""
    owners = packages_distributions()
    assert {name: others for name in PACKAGES if (others := set(owners.get(name, ())) - {"lockstep"})} == {}


def test_packages_are_loaded_from_this_checkout() -> None:
    """No installed copy hides the code that is being tested."""
    for package in PACKAGES:
        module = __import__(package)
        assert [Path(path) for path in module.__path__] == [ROOT / package]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_pins_name_the_extras_that_others_ask_for(lock: str) -> None:
    """A pin of `coverage` leaves `coverage[toml]` open: pip takes the newest, which has no hash here, and gives up."""
    pins = {name: set(filter(None, extras.split(","))) for name, extras in PIN.findall((ROOT / lock).read_text())}
    assert len(pins) > 30
    for name in pins:
        for needed in map(Requirement, distribution(name).requires or ()):
            if needed.extras and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                assert needed.extras <= pins[needed.name], f"{name} asks for {needed}"
