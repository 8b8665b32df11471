"""A gateway with its devices, which hold sockets or poll in processes of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import psutil

from bench.edge.holders import Holder
from bench.edge.pushes import Port, bodies
from bench.judge import Arrivals, wrong_arrivals
from bench.measure import usage
from bench.plan import Load
from bench.runs import PATIENCE, Incomplete

POLLS_PER_S: Final = 2000.0
#: Devices that poll, at most; each waits for its turn.
POLLING: Final = 1000
#: Devices that connect before memory is read first, at most: by then a gateway has what it takes once.
WARM: Final = 500
#: Seconds in which a gateway comes to rest after all have connected.
REST: Final = 3.0
#: Seconds of CPU that the system tells apart; a short run may have used none.
TICK: Final = 0.01
Figures = dict[str, float]


class Process(Protocol):
    """Devices that take orders: `bench.child.Child`."""

    def ask(self, **order: Any) -> Any:
        """Give an order and wait for its answer."""


def warm(load: Load) -> Load:
    """The devices that connect first, and are not counted."""
    return load._replace(run=f"{load.run}-warm", accounts=min(WARM, load.accounts))


class Sockets:
    """The devices that hold sockets (`bench.crowd`), and are pushed to."""

    def __init__(self, holder: Holder, load: Load, crowd: Process, directory: Path) -> None:
        """`load` ends where the next push begins."""
        self._holder = holder
        self._load = load
        self._crowd = crowd
        self._directory = directory
        self._wrong = 0

    def fill(self, keys: str) -> float:
        """Connect all; KiB that the gateway took for each. Raises ChildFailed if one of them did not get in."""
        self._connect(warm(self._load), keys)
        before = self._kib()
        self._connect(self._load, keys)
        return (self._kib() - before) / self._load.accounts

    def _connect(self, load: Load, keys: str) -> None:
        self._crowd.ask(do="connect", host=self._holder.host, port=self._holder.port, keys=keys, load=load, acks=False)
        time.sleep(REST)

    def _kib(self) -> float:
        return float(psutil.Process(self._holder.pid).memory_info().rss) / 1024

    def push(self, count: int) -> Figures:
        """One run of pushes, one after the other; afterwards the devices have been shown them. Raises Incomplete."""
        run = self._load._replace(start=self._load.stop, stop=self._load.stop + count)
        made = list(bodies(run, self._holder.gateway))
        with Port(self._holder) as port:
            before = usage([self._holder.pid])
            self._wrong += sum(port.post(body, devices) for body, devices in made)
            spent = usage([self._holder.pid]).since(before)
        self._load = self._load._replace(stop=run.stop)
        self._shown()
        return {"per_s": count / spent.wall_s, "per_cpu_s": count / max(spent.cpu_s, TICK)}

    def _shown(self) -> None:
        last, moved = -1, time.monotonic()
        while (shown := self._crowd.ask(do="shown")) < self._load.stop:
            if shown != last:
                last, moved = shown, time.monotonic()
            elif time.monotonic() - moved > PATIENCE:
                raise Incomplete(f"devices of {self._holder.name} were shown {shown} of {self._load.stop} pushes")
            time.sleep(0.05)

    def judge(self) -> int:
        """Devices that the gateway did not answer for as taken, and what was wrong with what they were shown."""
        path = str(self._directory / f"arrivals-{self._holder.name}.npy")
        self._crowd.ask(do="save", path=path)
        return self._wrong + wrong_arrivals(self._load, Arrivals(*np.load(path)))


class Polls:
    """The devices that poll (`bench.edge.polls`)."""

    def __init__(self, holder: Holder, accounts: Sequence[str], askers: Process, directory: Path) -> None:
        self.wrong = 0
        self._holder = holder
        self._accounts = accounts[:POLLING]
        self._askers = askers
        self._path = directory / f"polls-{holder.name}.npy"

    def poll(self, keys: str, count: int) -> Figures:
        """One run of polls, by devices that asked once before: an old cursor would be read against the inbox."""
        where = {"host": self._holder.host, "port": self._holder.port, "keys": keys}
        self._askers.ask(do="meet", names=self._accounts, **where)
        before = usage([self._holder.pid])
        answer = self._askers.ask(do="poll", rate=POLLS_PER_S, count=count, path=str(self._path))
        cpu = usage([self._holder.pid]).since(before).cpu_s
        took = np.load(self._path)
        self.wrong += answer["wrong"] + count - len(took)
        return {
            "cpu_us": cpu / count * 1e6,
            "p99_ms": float(np.percentile(took, 99)) * 1000,
            "per_s": count / answer["seconds"],
        }
