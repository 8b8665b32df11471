"""Tests of how a server process is known again, and ended."""

import json
import os
import sys
from pathlib import Path

import pytest

from deploy.local import processes
from deploy.local.processes import Process

STAT = "42 (a (b) c) {state} 1 42 42 0 -1 0 0 0 0 0 1 2 0 0 20 0 {threads} 0 987654 1 2"


def test_a_pid_file_is_read_back(tmp_path: Path) -> None:
    """What was written is read, and nothing else is left in the directory."""
    process = Process(pid=1, identity="boot:2", port=3)
    processes.write(tmp_path / "process.json", process)
    assert processes.read(tmp_path / "process.json") == process
    assert [path.name for path in tmp_path.iterdir()] == ["process.json"]


@pytest.mark.parametrize("text", ["", "12", "[]", "{}", '{"pid": "x", "identity": "", "port": 1}', "\x00"])
def test_a_broken_pid_file_names_no_process(tmp_path: Path, text: str) -> None:
    """A pid file that cannot be understood is as good as none."""
    path = tmp_path / "process.json"
    path.write_text(text)
    assert processes.read(path) is None


def test_no_pid_file_names_no_process(tmp_path: Path) -> None:
    """A server that was never started has no pid file."""
    assert processes.read(tmp_path / "process.json") is None


def test_the_identity_is_boot_and_start_time() -> None:
    """A command name with spaces and brackets does not shift the fields."""
    assert processes.identity_from_stat(STAT.format(state="S", threads=9), "boot") == "boot:987654"


def test_a_zombie_is_dead_once_its_threads_are() -> None:
    """As long as a thread lives, the ports of the process are still taken."""
    assert processes.identity_from_stat(STAT.format(state="Z", threads=1), "boot") is None
    assert processes.identity_from_stat(STAT.format(state="Z", threads=2), "boot") == "boot:987654"


def test_a_stranger_with_the_same_pid_is_not_ours(tmp_path: Path) -> None:
    """A pid that another process has taken over names no process of ours, and is sent no signal."""
    stranger = processes.spawn(["sleep", "60"], tmp_path / "log", port=0)
    try:
        ours = Process(pid=stranger.pid, identity="earlier", port=0)
        assert not ours.alive()
        assert processes.end(ours, grace=1)
        assert stranger.alive()
    finally:
        assert processes.end(stranger, grace=5)
    assert not stranger.alive()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """The grace has an end."""
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    process = processes.spawn([sys.executable, "-c", code], log, port=0)
    while not log.read_text():
        assert process.alive()
    assert processes.end(process, grace=0.1)
    assert not process.alive()


def test_output_goes_to_the_log_and_the_session_is_its_own(tmp_path: Path) -> None:
    """A Ctrl-C in the terminal of whoever started it does not reach the server."""
    process = processes.spawn(["sh", "-c", "echo out; echo err >&2; exec sleep 60"], tmp_path / "log", port=0)
    try:
        assert os.getsid(process.pid) == process.pid
        while len((tmp_path / "log").read_text().splitlines()) < 2:
            assert process.alive()
        assert (tmp_path / "log").read_text() == "out\nerr\n"
    finally:
        processes.end(process, grace=0)


def test_the_identity_from_ps_is_the_start_time() -> None:
    """Where there is no /proc, ps tells it, and whether the process is a zombie."""
    assert processes.identity_from_ps("Ss   Wed Nov 25 01:00:00 2026\n") == "Wed Nov 25 01:00:00 2026"
    assert processes.identity_from_ps("Z+   Wed Nov 25 01:00:00 2026\n") is None
    assert processes.identity_from_ps("") is None


def test_the_pid_file_is_plain_json(tmp_path: Path) -> None:
    """Whoever looks at the state directory can read it."""
    processes.write(tmp_path / "process.json", processes.current())
    assert json.loads((tmp_path / "process.json").read_text())["pid"] == os.getpid()
