"""Processes that stand back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.weights import stand_back

SLEEPER = "import threading; threading.Thread(target=input).start(); print(flush=True); input()"


def test_all_threads_stand_back() -> None:
    """And the session, where the kernel weighs those; who asks stays where it was."""
    command = [sys.executable, "-c", SLEEPER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        stand_back(child.pid, 3)
        threads = [int(thread.name) for thread in Path(f"/proc/{child.pid}/task").iterdir()]
        nices = [os.getpriority(os.PRIO_PROCESS, thread) for thread in threads]
        group = Path(f"/proc/{child.pid}/autogroup")
        said = group.read_text() if group.exists() else "nice 3"
        child.kill()
    assert nices == [min(19, mine + 3)] * 2
    assert said.endswith(("nice 3", "nice 3\n"))
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine
