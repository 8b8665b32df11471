"""What runs of the tests that were killed leave behind is removed by a later one, or else left alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from deploy.local import boot, processes
from deploy.local.processes import Process
from tests import conftest

DEAD = Process(pid=os.getpid(), identity="another life", port=0)


@pytest.mark.parametrize("ends", [True, False])
def test_a_server_that_does_not_end_is_left_to_a_later_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ends: bool
) -> None:
    """This run has servers of its own; an instance whose servers have ended is removed."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(processes, "end", lambda process, grace: ends)
    home = tmp_path / (conftest.HOMES + "killed")
    pid_file = boot.pid_file(home, "cassandra")
    pid_file.parent.mkdir(parents=True)
    processes.write(home / conftest.OWNER, DEAD)
    processes.write(pid_file, processes.current())
    conftest._sweep()
    assert home.exists() is not ends
