"""The wheel: exactly our packages and their data, under names that nothing else installed owns."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from email.parser import Parser
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from deploy.native import compiler
from streams.native.sources import FOLDER, digest
from tests.unit.fakes import ROOT

CLIENT = ROOT / "clients" / "python"
#: Each with the folder that holds it.
PACKAGES = {name: ROOT / name for name in ("streams", "agents", "sinks", "edge")}
PACKAGES["lockstep_client"] = CLIENT / "lockstep_client"
PIN = re.compile(r"^([a-z0-9-]+)(?:\[([a-z0-9,-]+)\])?==", re.MULTILINE)


def build(project: Path, out: Path) -> Path:
    """The wheel of a project, built with the tools of this environment."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(project)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = out.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel of this checkout."""
    with ZipFile(build(ROOT, tmp_path_factory.mktemp("dist"))) as opened:
        yield opened


def test_the_client_is_a_wheel_of_its_own(tmp_path: Path) -> None:
    """Out of that wheel it is imported with nothing of the servers beside it, and says that it has types."""
    path = build(CLIENT, tmp_path)
    with ZipFile(path) as opened:
        assert "lockstep_client/py.typed" in opened.namelist()
    libraries = str(Path(sysconfig.get_path("purelib")))
    code = (
        f"import sys; sys.path[:0] = [{str(path)!r}]; sys.path.append({libraries!r})\n"
        "import lockstep_client as client; assert client.__file__.startswith(sys.path[0]), client.__file__\n"
        "assert not {'streams', 'edge', 'msgspec', 'click'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: ZipFile) -> None:
    """No tests, benchmarks or deployment files at the top level."""
    top = {name.partition("/")[0] for name in wheel.namelist()}
    [metadata] = top - set(PACKAGES)
    assert metadata.startswith("lockstep-")
    assert metadata.endswith(".dist-info")
    assert top >= set(PACKAGES)


def test_the_wheel_holds_every_module(wheel: ZipFile) -> None:
    """What a checkout imports, an installation imports too."""
    modules = {
        path.relative_to(folder.parent).as_posix() for folder in PACKAGES.values() for path in folder.rglob("*.py")
    }
    assert modules <= set(wheel.namelist())


def test_the_wheel_holds_the_native_part_where_it_can_be_compiled(wheel: ZipFile) -> None:
    """One of its own, with the sources by which it is known to be of this release; and no other library."""
    compiled = [name for name in wheel.namelist() if name.endswith(".so")]
    assert compiled == ([f"streams/native/{compiler.NAME}"] if compiler.compiler() else [])
    assert all(digest().encode() in wheel.read(name) for name in compiled)
    held = {path.relative_to(ROOT).as_posix() for path in FOLDER.glob("*.[ch]")}
    assert held <= set(wheel.namelist())
    pure = not compiled
    assert Path(wheel.filename or "").name.endswith("-py3-none-any.whl") == pure


@pytest.mark.parametrize(
    ("inside", "source"),
    [
        ("streams/topics.yaml", "topics.yaml"),
        ("streams/schemas/member.plan.changed.json", "schemas/member.plan.changed.json"),
        ("sinks/schema.cql", "sinks/schema.cql"),
        ("edge/console/client/lockstep.mjs", "clients/javascript/lockstep.mjs"),
        ("edge/console/page/index.html", "edge/console/page/index.html"),
    ],
)
def test_the_wheel_holds_what_the_packages_read(wheel: ZipFile, inside: str, source: str) -> None:
    """The topology as shipped and the schema of Cassandra, unchanged."""
    assert wheel.read(inside) == (ROOT / source).read_bytes()


def test_the_wheel_holds_the_page_of_the_console(wheel: ZipFile) -> None:
    """Every file of it, those of others with their licences."""
    page = {path.relative_to(ROOT).as_posix() for path in (ROOT / "edge/console/page").rglob("*") if path.is_file()}
    assert page <= set(wheel.namelist())


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
    for package, folder in PACKAGES.items():
        module = __import__(package)
        assert [Path(path) for path in module.__path__] == [folder]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_pins_name_the_extras_that_others_ask_for(lock: str) -> None:
    """A pin of `coverage` leaves `coverage[toml]` open: pip takes the newest, which has no hash here, and gives up."""
    pins = {name: set(filter(None, extras.split(","))) for name, extras in PIN.findall((ROOT / lock).read_text())}
    assert len(pins) > 30
    for name in pins:
        for needed in map(Requirement, distribution(name).requires or ()):
            if needed.extras and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
                assert needed.extras <= pins[needed.name], f"{name} asks for {needed}"
