"""The servers as a whole: all boot at once; what is stopped is only what was started here."""

import fcntl
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local import boot, jars, processes, tools
from deploy.local.config import NAMES, Config, Endpoints, LocalError, checked_names, on_free_ports
from deploy.local.disk import require_room
from deploy.local.processes import Process

Report = Callable[[str], None]
GRACE = 30.0
NEEDS: Mapping[str, tuple[str, ...]] = {
    "kafka": ("java", "mvn"),
    "cassandra": ("java", "mvn"),
    "redis": ("redis-server",),
}


def silent(_line: str) -> None:
    """A report that nobody reads."""


def prepare(config: Config, names: Iterable[str], report: Report = silent) -> None:
    """Have the tools and jars that these servers need, without starting anything; LocalError if that cannot be."""
    wanted = checked_names(names)
    needed = {tool for name in wanted for tool in NEEDS[name]}
    if not any(jars.missing(config.jars, name) for name in wanted):
        needed.discard("mvn")
    tools.require(sorted(needed), report)
    for name in wanted:
        if jars.missing(config.jars, name):
            jars.fetch(config.jars, name, report)


@dataclass(frozen=True)
class Running:
    """Servers that are up, with what tests of faults do to them."""

    config: Config
    names: tuple[str, ...]
    report: Report = silent

    @property
    def endpoints(self) -> Endpoints:
        """The addresses to connect to."""
        return self.config.endpoints

    def pid(self, name: str) -> int:
        """The process of a server."""
        return self._process(name).pid

    def kill(self, name: str) -> None:
        """End a server as a crash would, by SIGKILL; its data stay."""
        processes.end(self._process(name), grace=0)

    def pause(self, name: str) -> None:
        """Freeze a server: its connections stay open and get no answer."""
        processes.send(self._process(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a paused server go on."""
        processes.send(self._process(name), signal.SIGCONT)

    def restart(self, name: str) -> None:
        """End a server in good order if it is up, and boot it on its port and data."""
        stop(self.config.home, [name], self.report)
        start(self.config, [name], self.report)

    def revive(self) -> None:
        """Have all these servers up and going, whatever was done to them."""
        for process in status(self.config.home).values():
            if process:
                processes.send(process, signal.SIGCONT)
        start(self.config, self.names, self.report)

    def stop(self, grace: float = GRACE) -> None:
        """Stop these servers."""
        stop(self.config.home, self.names, self.report, grace)

    def _process(self, name: str) -> Process:
        process = status(self.config.home)[name]
        if process is None:
            raise LocalError(f"{name} is not up")
        return process


def start(config: Config, names: Iterable[str] = NAMES, report: Report = silent) -> Running:
    """Have these servers up, booting at the same time those that are not; on an error none that it started is left."""
    wanted = checked_names(names)
    with _locked(config.home):
        up = status(config.home)
        for name in wanted:
            process = up[name]
            if process and process.port != config.ports[name]:
                raise LocalError(
                    f"{name} is up already on port {process.port}, not {config.ports[name]}: take it down first"
                )
            if process:
                report(f"{name:<9} is up on 127.0.0.1:{process.port}")
        _boot_all(config, tuple(name for name in wanted if up[name] is None), report)
    return Running(config, wanted, report)


def _boot_all(config: Config, names: tuple[str, ...], report: Report) -> None:
    if not names:
        return
    boot.require_free_ports(config, names)
    prepare(config, names, report)
    require_room(config.home)
    try:
        boot.together([partial(boot.boot, config, name, report) for name in names])
    except BaseException:
        _end(config.home, names, grace=0)
        raise


def stop(home: Path, names: Iterable[str] = NAMES, report: Report = silent, grace: float = GRACE) -> None:
    """Stop those of these servers that were started in this state directory; LocalError for one that will not end."""
    with _locked(home):
        for name in _end(home, checked_names(names), grace):
            report(f"{name:<9} stopped")


def _end(home: Path, names: Iterable[str], grace: float) -> list[str]:
    """End these servers, all at once; the names of those that were up."""
    up = {name: process for name in names if (process := status(home)[name])}
    with ThreadPoolExecutor(len(NAMES)) as pool:
        ended = list(pool.map(lambda process: processes.end(process, grace), up.values()))
    for (name, process), gone in zip(up.items(), ended, strict=True):
        if not gone:
            raise LocalError(f"{name} (pid {process.pid}) does not end")
        boot.pid_file(home, name).unlink(missing_ok=True)
    return list(up)


def status(home: Path) -> dict[str, Process | None]:
    """For each server its process, or None if it was not started here or has ended."""
    found = {name: processes.read(boot.pid_file(home, name)) for name in NAMES}
    return {name: process if process and process.alive() else None for name, process in found.items()}


@contextmanager
def local_servers(names: Iterable[str] = NAMES, config: Config | None = None) -> Iterator[Running]:
    """An instance of one's own, by default on free ports in a temporary directory; gone, data and all, at the end."""
    chosen = config or on_free_ports(Path(tempfile.mkdtemp(prefix="lockstep-")))
    try:
        yield start(chosen, names)
    finally:
        stop(chosen.home, grace=0)
        shutil.rmtree(chosen.home, ignore_errors=True)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
