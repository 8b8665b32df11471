"""The examples of docs/producers.md and docs/devices.md, run as they stand there, against a running lockstep."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.e2e.system import System
from tests.unit.fakes import ROOT

DEADLINE = 120
#: What a reader has: the command `lockstep` on the path.
LOCKSTEP = 'lockstep() { "{python}" -m edge.cli "$@"; }\n'


def blocks(page: str) -> list[str]:
    """The shell examples of a page, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "shown"), [("producers.md", '"status":202'), ("devices.md", '"plan": "premium"')])
def test_the_examples_of_a_page_run(running: System, page: str, shown: str, tmp_path: Path) -> None:
    """One shell runs all of them; any status of an error ends it."""
    found = blocks(page)
    assert len(found) >= 3
    account = f"me-{uuid.uuid4().hex[:8]}"
    script = "set -euo pipefail\n" + LOCKSTEP.replace("{python}", sys.executable) + "\n".join(found)
    assert "http://127.0.0.1:8080" in script
    for written, real in (
        ("http://127.0.0.1:8080", running.url), ('"me"', f'"{account}"'), (": me'", f": {account}'"),
        ("--account me", f"--account {account}"),
    ):  # fmt: skip
        script = script.replace(written, real)
    done = subprocess.run(
        ["bash", "-c", script],
        env=running.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert shown in done.stdout
