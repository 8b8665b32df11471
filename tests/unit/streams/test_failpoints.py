"""Failpoints: what arms them, that the right visit kills, and that they are nothing otherwise."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from streams.failpoints import POINTS, VARIABLE, BadFailpoint, parse
from streams.settings import read_settings
from tests.unit.fakes import ROOT
from tests.unit.test_style import PRODUCT, sources

VISITS = """
from streams.failpoints import reach
for visit in range(1, 6):
    print(visit, flush=True)
    reach("commit.begun")
    reach("commit.done")
"""


def visits(armed: str | None) -> subprocess.CompletedProcess[str]:
    """A process that comes to two points five times."""
    environ = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if armed is not None:
        environ[VARIABLE] = armed
    return subprocess.run(
        [sys.executable, "-c", VISITS], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_nth_visit_kills() -> None:
    """By SIGKILL, after a word that says where; other points stay quiet."""
    ended = visits("commit.done=kill@3;route.decoded=kill@1")
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["1", "2", "3"]
    assert ended.stderr == "failpoint commit.done: killed\n"


@pytest.mark.parametrize("armed", [None, "", "commit.done=kill@6"])
def test_without_a_cause_nothing_happens(armed: str | None) -> None:
    """Not set, empty, or not reached often enough."""
    ended = visits(armed)
    assert (ended.returncode, len(ended.stdout.split())) == (0, 5)


def test_several_points_are_armed_at_once() -> None:
    """Each with a count of its own."""
    assert parse("commit.done=kill@3;;route.decoded=kill@12") == {"commit.done": 3, "route.decoded": 12}


@pytest.mark.parametrize("text", ["nowhere=kill@1", "commit.done", "commit.done=kill", "commit.done=kill@0",
                                  "commit.done=kill@-1", "commit.done=stop@1", "commit.done=kill@x"])  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    """The part that is wrong is named."""
    with pytest.raises(BadFailpoint, match=re.escape(repr(text))):
        parse(f"commit.begun=kill@1;{text}")


def test_the_variable_is_no_setting() -> None:
    """Settings, which refuse what they do not know, pass it over; not what only begins like it."""
    assert read_settings({VARIABLE: "commit.done=kill@1"}) == read_settings({})
    with pytest.raises(Exception, match=f"{VARIABLE}S"):
        read_settings({f"{VARIABLE}S": "x"})


def test_every_point_is_in_the_product_once() -> None:
    """None is documented that no code reaches, and each stands for one place."""
    text = "\n".join(sources(*PRODUCT).values())
    found = re.findall(r'\breach\("([a-z.]+)"\)', text)
    assert sorted(found) == sorted(POINTS)
