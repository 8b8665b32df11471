"""Every mutant is caught: the test that it names fails with it, and passes without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from tests.mutants.registry import VARIABLE, Mutant, mutants
from tests.unit.fakes import ROOT

SITE = ROOT / "tests" / "mutants" / "site"
MUTANTS = list(mutants().values())
#: No test that catches a mutant takes nearly as long, s: a mutant that hangs is not caught.
LONGEST_S = 600.0
ASSERTIONS = 1  # exit status of pytest when tests failed, and nothing else went wrong


def run(tests: Sequence[str], name: str = "") -> subprocess.CompletedProcess[str]:
    """Run tests in a process that is this mutant, or none."""
    environ = {**os.environ, VARIABLE: name, "PYTHONPATH": os.pathsep.join((str(SITE), str(ROOT)))}
    environ.pop("PYTEST_ADDOPTS", None)  # what the run around was told says how the last line looks
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LONGEST_S
    )


def test_the_tests_pass_without_a_mutant() -> None:
    """So that what makes them fail is the mutant."""
    ran = run(sorted({mutant.caught_by for mutant in MUTANTS}))
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant, record_property: Callable[[str, object], None]) -> None:
    """By the test that it names, which fails and does not merely break."""
    record_property("mutants", 1)
    ran = run([mutant.caught_by], mutant.name)
    assert "sitecustomize" not in ran.stderr, ran.stderr
    assert ran.returncode == ASSERTIONS, ran.stdout
    assert re.search(r"^\d+ failed", ran.stdout.splitlines()[-1]), ran.stdout
    record_property("mutants_caught", 1)


def test_a_mutant_says_what_is_wrong() -> None:
    """In a sentence."""
    assert all(mutant.mistake.endswith(".") for mutant in MUTANTS)
