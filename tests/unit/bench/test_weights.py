"""Processes that stand back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.weights import stand_back

SLEEPER = "import threading; threading.Thread(target=input).start(); print(flush=True); input()"


@contextmanager
def sleeper(*, own_session: bool) -> Iterator[int]:
    """A process of two threads."""
    command = [sys.executable, "-c", SLEEPER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=own_session
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        yield child.pid
        child.kill()


def of_session(pid: int) -> str:
    """What Linux says of the weight of a process's session; nothing where it weighs none."""
    group = Path(f"/proc/{pid}/autogroup")
    return group.read_text().strip() if group.exists() else ""


def of_threads(pid: int) -> list[int]:
    """The steps of nice of each thread."""
    return [os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()]


def test_all_threads_stand_back() -> None:
    """And the session, where the kernel weighs those; who asks stays where it was."""
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    with sleeper(own_session=True) as pid:
        stand_back(pid, 3)
        assert of_threads(pid) == [min(19, mine + 3)] * 2
        assert of_session(pid).endswith("nice 3") or not of_session(pid)
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


def test_the_session_of_others_stays_where_it_was() -> None:
    """Also the very first session of a machine, whose weight nobody may set."""
    mine, before = os.getpriority(os.PRIO_PROCESS, 0), of_session(os.getpid())
    with sleeper(own_session=False) as pid:
        stand_back(pid, 3)
        assert of_threads(pid) == [min(19, mine + 3)] * 2
    assert of_session(os.getpid()) == before
