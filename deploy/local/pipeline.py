"""All processes of lockstep on this machine: one for each worker of topics.yaml and one edge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

STOP_SECONDS = 20.0


class ProcessFailed(Exception):
    """A process ended, or did not become ready; the message ends with the last lines of its log."""


def environment(
    kafka: str, cassandra: tuple[str, int], redis: tuple[str, int], directory: Path, edge_port: int, push_port: int
) -> dict[str, str]:
    """The settings of every process, for servers at these addresses; keys and data lie in `directory`."""
    return {
        "LOCKSTEP_KAFKA__SERVERS": kafka,
        "LOCKSTEP_CASSANDRA__CONTACT_POINTS": json.dumps([cassandra[0]]),
        "LOCKSTEP_CASSANDRA__PORT": str(cassandra[1]),
        "LOCKSTEP_REDIS__HOST": redis[0],
        "LOCKSTEP_REDIS__PORT": str(redis[1]),
        "LOCKSTEP_EDGE__PORT": str(edge_port),
        "LOCKSTEP_EDGE__PUSH_PORT": str(push_port),
        "LOCKSTEP_TOKENS__KEYS": str(directory / "keys" / "public.jwks"),
        "LOCKSTEP_INGEST__CALLERS": str(directory / "keys" / "callers.json"),
    }


@dataclass
class Member:
    """One process: `lockstep run WORKER` or `lockstep edge`."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    health_port: int

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, then the exit status; killed when it does not stop in time."""
        if self.alive:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -signal.SIGKILL

    def ready(self) -> bool:
        """Whether /readyz says so; not while something else answers at its port."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (HTTPException, OSError):
            return False

    def tail(self, lines: int = 5) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Pipeline:
    """Starts members with one environment; a context manager that stops them all."""

    environment: dict[str, str]
    directory: Path
    health_ports: Sequence[int] = range(9090, 9190)
    own_sessions: bool = False  # each member in a session of its own, which Linux weighs as it does a pod
    members: list[Member] = field(default_factory=list)

    def start(self, name: str, *arguments: str, **environment: str) -> Member:
        """Start a member; `arguments` are those of the command `lockstep`."""
        number = len(self.members)
        log = self.directory / "logs" / f"{name}-{number}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        data = self.directory / "data" / f"{name}-{number}"
        data.mkdir(parents=True, exist_ok=True)
        port = self.health_ports[number]
        own = {"LOCKSTEP_HEALTH__PORT": str(port), "LOCKSTEP_DATA_DIR": str(data), **environment}
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "edge.cli", *arguments],
                env={**os.environ, **self.environment, **own},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=self.own_sessions,
            )
        member = Member(name, process, log, port)
        self.members.append(member)
        return member

    def command(self, *arguments: str) -> str:
        """Run a command of lockstep to its end; its output. Raises ProcessFailed."""
        done = subprocess.run(
            [sys.executable, "-m", "edge.cli", *arguments],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise ProcessFailed(f"lockstep {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def worker(self, name: str, **environment: str) -> Member:
        """Start a worker of topics.yaml."""
        return self.start(name, "run", name, **environment)

    def edge(self, **environment: str) -> Member:
        """Start the edge."""
        return self.start("edge", "edge", **environment)

    def wait_ready(self, members: list[Member], seconds: float = 60.0) -> None:
        """Wait until all are ready. Raises ProcessFailed."""
        deadline = time.monotonic() + seconds
        waiting = list(members)
        while waiting:
            for member in waiting:
                if not member.alive:
                    raise ProcessFailed(f"{member.name} ended with {member.process.returncode}:\n{member.tail()}")
            waiting = [member for member in waiting if not member.ready()]
            if waiting and time.monotonic() > deadline:
                raise ProcessFailed(f"{waiting[0].name} is not ready after {seconds:.0f} s:\n{waiting[0].tail()}")
            if waiting:
                time.sleep(0.1)

    def stop(self) -> None:
        """Stop all members, all at once."""
        for member in self.members:
            if member.alive:
                member.process.terminate()
        for member in self.members:
            member.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
