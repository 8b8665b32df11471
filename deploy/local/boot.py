"""Booting one server: files, setup, process, and the wait until it answers."""

import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from time import monotonic

from deploy.local import cassandra, jars, kafka, ports, processes, redis, tools
from deploy.local.config import Config, LocalError
from deploy.local.server import Server

DEADLINE = 120.0
_POLL = 0.05


def pid_file(home: Path, name: str) -> Path:
    """The file that names the process of a server."""
    return home / name / "process.json"


def require_free_ports(config: Config, names: Iterable[str]) -> None:
    """LocalError, naming the port and its holder, unless these servers can listen on their ports."""
    for name in names:
        port = config.ports[name]
        if not ports.is_free(port):
            taken = f"port {port} for {name} is already taken{ports.holder(port)}"
            raise LocalError(f"{taken}: free it, or set LOCKSTEP_LOCAL_{name.upper()}_PORT")


def together(boots: Sequence[Callable[[threading.Event], None]]) -> None:
    """Do these at the same time; once one fails the event that all are given is set, and its error is raised."""
    cancelled = threading.Event()
    with ThreadPoolExecutor(len(boots) or 1) as pool:
        try:
            for task in as_completed([pool.submit(each, cancelled) for each in boots]):
                task.result()
        except BaseException:
            cancelled.set()
            raise


def boot(config: Config, name: str, report: Callable[[str], None], cancelled: threading.Event) -> None:
    """Start one of the three servers and wait until it answers."""
    run(config.home, name, server_of(config, name), report, cancelled)


def run(home: Path, name: str, server: Server, report: Callable[[str], None], cancelled: threading.Event) -> None:
    """Start a server, known as `name`, and wait until it answers; on an error, or when cancelled, it is ended again."""
    started, log = monotonic(), home / name / "server.log"
    _write_files(server)
    _set_up(server, log)
    process = processes.spawn(server.command, log, server.port)
    try:
        processes.write(pid_file(home, name), process)
        while not (server.answers(server.port) and process.alive()):
            if not process.alive():
                raise LocalError(f"{name} ended while it booted: {last_words(log)} (log: {log})")
            if monotonic() - started > DEADLINE:
                raise LocalError(f"{name} does not answer on port {server.port} after {DEADLINE:.0f} s (log: {log})")
            if cancelled.wait(_POLL):
                raise LocalError(f"{name} was not waited for, since another server failed")
    except BaseException:
        processes.end(process, grace=0)
        raise
    report(f"{name:<9} up in {monotonic() - started:.1f} s on 127.0.0.1:{server.port}")


def server_of(config: Config, name: str) -> Server:
    """How one of the servers of an instance is started. Raises LocalError."""
    directory, port = config.directory(name), config.ports[name]
    if name == "redis":
        return redis.server(directory, port)
    java = tools.java()
    if java is None:
        raise LocalError("Java 17 is gone since it was looked for")
    own, found = ports.derived_port(port), jars.directory(config.jars, name)
    if name == "kafka":
        return kafka.server(directory, port, own, java, found)
    writes = cassandra.SERVING if config.serving else cassandra.SMALL
    return cassandra.server(directory, port, own, java, found, writes=writes)


def _write_files(server: Server) -> None:
    for path, text in server.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _set_up(server: Server, log: Path) -> None:
    if server.setup is None or server.setup[1].exists():
        return
    done = subprocess.run(server.setup[0], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        log.write_text(done.stdout + done.stderr)
        raise LocalError(f"{server.name} cannot set up its data: {last_words(log)} (log: {log})")


def last_words(log: Path) -> str:
    """The most telling of a log's last lines: one that speaks of an error, else the last; cut to a line's length."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()][-50:]
    told = [line for line in lines if not line.startswith(("at ", "..."))]
    telling = [
        line
        for line in told
        if any(word in line for word in ("Exception", "ERROR", "Error", "error", "FATAL", "No space"))
    ]
    return (telling or told or ["it wrote nothing"])[-1][:300]
