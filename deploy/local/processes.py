"""Starting and ending server processes, and knowing one's own again by pid and start time."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_POLL = 0.02
_KILL_DEADLINE = 30.0


@dataclass(frozen=True)
class Process:
    """A server process as its pid file names it; `identity` tells it from a later process with the same pid."""

    pid: int
    identity: str
    port: int

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return identity(self.pid) == self.identity


def identity(pid: int) -> str | None:
    """When the process started, unique across reboots where the system tells; None if there is no such live process."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a dead child of ours would stay on as a zombie
    if not Path("/proc/self/stat").exists():
        command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        return identity_from_ps(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    boot = Path("/proc/sys/kernel/random/boot_id")
    return identity_from_stat(text, boot.read_text().strip() if boot.exists() else "")


def identity_from_stat(text: str, boot: str) -> str | None:
    """The identity in the text of /proc/PID/stat; None for a zombie, unless threads of it still hold its ports."""
    fields = text.rpartition(")")[2].split()  # the command name before it may hold anything
    state, threads, started = fields[0], int(fields[17]), fields[19]
    return None if state in "ZX" and threads <= 1 else f"{boot}:{started}"


def identity_from_ps(text: str) -> str | None:
    """The identity in what `ps -o stat=,lstart=` prints; None for a zombie, or where it prints nothing."""
    state, _, started = text.strip().partition(" ")
    return None if not state or state.startswith("Z") else started.strip()


def read(path: Path) -> Process | None:
    """The process that a pid file names; None if there is no file or it cannot be understood."""
    try:
        content = json.loads(path.read_text())
        return Process(pid=int(content["pid"]), identity=str(content["identity"]), port=int(content["port"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def current() -> Process:
    """The process that asks."""
    return Process(pid=os.getpid(), identity=identity(os.getpid()) or "", port=0)


def write(path: Path, process: Process) -> None:
    """Write a pid file whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(process)) + "\n")
    fresh.replace(path)


def spawn(command: Sequence[str], log: Path, port: int) -> Process:
    """Start a command that outlives this process and takes no Ctrl-C from its terminal; output goes to the log."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawnp(command[0], list(command), os.environ, file_actions=actions, setsid=True)
    return Process(pid=pid, identity=identity(pid) or "", port=port)


def end(process: Process, grace: float) -> bool:
    """End the process by SIGTERM, by SIGKILL after `grace` seconds (0: at once); whether it ended."""
    return (grace > 0 and _signalled(process, signal.SIGTERM, grace)) or _signalled(
        process, signal.SIGKILL, _KILL_DEADLINE
    )


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal, unless the process has ended."""
    if process.alive():
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _signalled(process: Process, number: signal.Signals, patience: float) -> bool:
    deadline = time.monotonic() + patience
    send(process, number)
    while process.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
