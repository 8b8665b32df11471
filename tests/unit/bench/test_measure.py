"""Tests of what every benchmark shares."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench import measure
from bench.measure import Cores, Usage, interleaved, medians, on, report, split, usage


def test_the_cost_of_a_process_is_its_own() -> None:
    """CPU that this process burns shows, and memory that it took stays at its peak."""
    before = usage([os.getpid()])
    taken = bytearray(64 * 2**20)
    taken[::4096] = b"x" * len(taken[::4096])
    burned = os.times().user + 0.2
    while os.times().user < burned:
        pass
    spent = usage([os.getpid()]).since(before)
    assert spent.cpu_s > 0.15
    assert usage([os.getpid()]).rss_mb > 64


def test_the_cost_of_several_processes_is_their_sum() -> None:
    """Memory of a process that is measured twice counts twice."""
    one, two = usage([os.getpid()]), usage([os.getpid(), os.getpid()])
    assert two.rss_mb == pytest.approx(2 * one.rss_mb, rel=0.1)
    assert two.cpu_s >= 2 * one.cpu_s


def test_a_process_that_has_ended_is_an_error() -> None:
    """It would count as free otherwise."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    with pytest.raises(psutil.NoSuchProcess):
        usage([child.pid])


def test_a_difference_keeps_the_later_peak() -> None:
    """Memory does not become less by subtraction."""
    assert Usage(10.0, 5.0, 300.0).since(Usage(4.0, 2.0, 200.0)) == Usage(6.0, 3.0, 300.0)


def test_cores_stay_awake_where_the_machine_lets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound of 0 us; without access what is measured goes on, and says so."""
    bound = tmp_path / "bound"
    monkeypatch.setattr(measure, "WAKING", str(bound))
    with measure.awake() as kept:
        assert not kept
    bound.touch()
    with measure.awake() as kept:
        assert kept
        assert struct.unpack("i", bound.read_bytes()) == (0,)


def test_servers_and_what_is_measured_have_cores_of_their_own() -> None:
    """Unless there are too few: then both may use all."""
    cores = os.sched_getaffinity(0)
    assert split(len(cores)) == Cores(frozenset(cores), frozenset(cores))
    if len(cores) > 1:
        apart = split(1)
        assert len(apart.measured) == 1
        assert apart.servers | apart.measured == cores
        assert not apart.servers & apart.measured


def test_a_child_runs_on_the_given_cores_and_the_parent_goes_back() -> None:
    """Also where there is no choice of cores."""
    before = os.sched_getaffinity(0)
    code = "import os; print(*os.sched_getaffinity(0))"
    with on(split().measured):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert frozenset(map(int, said.split())) == split().measured
    assert os.sched_getaffinity(0) == before
    with on(frozenset()):
        assert os.sched_getaffinity(0) == before


def test_runs_are_interleaved() -> None:
    """Every run has all cases, in order."""
    called: list[str] = []

    def case(name: str) -> int:
        called.append(name)
        return len(called)

    found = interleaved({"a": lambda: case("a"), "b": lambda: case("b")}, 2)
    assert called == ["a", "b", "a", "b"]
    assert found == {"a": [1, 3], "b": [2, 4]}


def test_medians_are_taken_number_by_number() -> None:
    """The run with the median of one need not be that of another."""
    runs = [{"cpu": 3.0, "rss": 10.0}, {"cpu": 1.0, "rss": 30.0}, {"cpu": 2.0, "rss": 20.0}]
    assert medians(runs) == {"cpu": 2.0, "rss": 20.0}


def test_the_last_line_is_json_and_wrong_is_the_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark whose output was wrong fails."""
    assert report({"rate": 1.5, "wrong": 0}) == 0
    assert report({"rate": 1.5, "wrong": 2}) == 1
    assert report({"rate": 1.5, "lost": 1}, "lost") == 1
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"rate": 1.5, "wrong": 0},
        {"rate": 1.5, "wrong": 2},
        {"rate": 1.5, "lost": 1},
    ]
