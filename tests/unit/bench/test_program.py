"""Benchmarks as programs: what each of them starts is gone when it is told to end."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench.program import INTERRUPTED
from tests.unit.fakes import ROOT

TARGETS = re.findall(r"-m bench\.(\w+)", (ROOT / "bench/targets.mk").read_text())
#: These start nothing, or other benchmarks.
OTHERS = {"scaling", "sizing", "plots", "kept"}
PROGRAM = """
import sys, time
from bench.program import launch

def main():
    try:
        print("up", flush=True)
        time.sleep(60 * {last})
        return 3
    finally:
        print("down", flush=True)

launch(main)
"""


def test_what_was_started_is_stopped_when_a_supervisor_ends_the_benchmark() -> None:
    """And the status says that it did not come to its end."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM.format(last=1)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.stdout.read() == "down\n"
        assert process.wait(30) == INTERRUPTED


def test_the_status_is_that_of_the_benchmark() -> None:
    """Where nobody ends it."""
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(last=0)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "up\ndown\n", "")


@pytest.mark.parametrize("name", sorted({*TARGETS} - OTHERS))
def test_every_benchmark_that_starts_something_is_launched_so(name: str) -> None:
    """Whatever signal ends it."""
    path = ROOT / "bench" / name / "__main__.py"
    path = path if path.exists() else path.parent.with_suffix(".py")
    assert path.read_text().endswith('if __name__ == "__main__":\n    launch(main)\n')
