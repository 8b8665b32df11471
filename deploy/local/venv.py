"""The virtual environment `.venv`, with exactly what requirements-dev.txt pins."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from deploy.local.apt import can_install, install
from deploy.local.config import LocalError
from deploy.local.disk import require_room
from deploy.native.compiler import refresh

_ROOT = Path(__file__).resolve().parents[2]
_STAMP = ".lockstep-stamp"


def make(report: Callable[[str], None], root: Path = _ROOT) -> None:
    """Have the environment up to date, and the native part of the checkout; a second run does nothing."""
    directory, stamp = root / ".venv", _stamp(root)
    if _read(directory / _STAMP) != stamp:
        _install(directory, stamp, report, root)
    refresh(report)


def _install(directory: Path, stamp: str, report: Callable[[str], None], root: Path) -> None:
    started = monotonic()
    require_room(root)
    if not (directory / "bin/python").exists():
        _create(directory, report)
    report("venv      installing the locked dependencies ...")
    python = str(directory / "bin/python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--no-deps"]  # nothing to resolve
    _run(
        [*install, "--require-hashes", "-r", str(root / "requirements-dev.txt")], "pip cannot install the dependencies"
    )
    _run([*install, "--no-build-isolation", "-e", str(root)], "pip cannot install lockstep itself")
    _run([*pip, "check"], "this Python needs a library that requirements-dev.txt was not locked with")
    (directory / _STAMP).write_text(stamp)
    report(f"venv      ready in {monotonic() - started:.0f} s")


def _stamp(root: Path) -> str:
    """What the environment depends on: the pins, the project file, the interpreter."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {root}".encode())
    for name in ("requirements-dev.txt", "pyproject.toml"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _create(directory: Path, report: Callable[[str], None]) -> None:
    lacking = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode
    if lacking and not can_install():
        raise LocalError(
            "this Python cannot make virtual environments: install python3-venv (Debian) or another Python 3.11"
        )
    if lacking:
        install(["python3-venv"], report)
    shutil.rmtree(directory, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(directory)], "cannot make the virtual environment")


def _run(command: Sequence[str], what: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        raise LocalError(f"{what}: {reason(done.stdout + done.stderr)}")


def reason(text: str) -> str:
    """The line of pip's output that says what went wrong: an exception of a build, else pip's own error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (raised or errors or lines or ["it gave no reason"])[-1][:300]


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""
