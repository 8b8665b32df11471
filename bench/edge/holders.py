"""The servers that hold devices: lockstep's edge, and gateways on other libraries that do the same with less."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.child import end
from bench.measure import on, split
from bench.system import ROOT, Lockstep
from deploy.local.ports import free_ports, is_free
from sinks.gateways import connect_gateways
from streams.settings import Settings

MADE: Final = ROOT / ".local" / "bench" / "python" / "bin" / "python"  # by make
LOCKSTEP: Final = "lockstep"
#: The gateways beside it, and whether each answers polls too: two of the libraries are for WebSockets only.
PEERS: Final[Mapping[str, bool]] = {"aiohttp": True, "websockets": False, "picows": False}
_START_S: Final = 30.0


class Holder(NamedTuple):
    """A server that runs. `gateway`: number and incarnation that pushes to it must name."""

    name: str
    pid: int
    host: str
    port: int
    push_port: int
    polls: bool
    gateway: tuple[int, int] = (0, 0)


async def edge(system: Lockstep) -> Holder:
    """The edge of a system, which is the only one. Raises RedisUnavailable."""
    settings = system.settings
    async with connect_gateways(settings) as gateways:
        await gateways.refresh()
        living = [(number, life) for number, life in gateways.incarnations.items() if life is not None]
        ours = [one for one in living if _port(gateways.address(one[0])) == settings.edge.push_port]
    assert len(ours) == 1, f"{len(ours)} gateways at one port"
    return Holder(
        LOCKSTEP, system.pids()["edge"], settings.edge.host, settings.edge.port, settings.edge.push_port, True, ours[0]
    )


def _port(address: Any) -> int:
    return int(address.address.rpartition(":")[2]) if address is not None else 0


@contextmanager
def peers(names: Sequence[str], python: str, settings: Settings, directory: Path) -> Iterator[list[Holder]]:
    """Gateways of these libraries, run by an interpreter that has them, on the core of what is measured."""
    store = {"host": settings.redis.host, "port": settings.redis.port, "db": settings.redis.database}
    with ExitStack() as stack:
        started = []
        for name in names:
            port, push_port = free_ports(2)
            orders = json.dumps({"port": port, "push_port": push_port, "redis": store})
            process = stack.enter_context(_process(name, python, orders, directory / f"{name}.log"))
            started.append((process, Holder(name, process.pid, "127.0.0.1", port, push_port, PEERS[name])))
        for process, holder in started:
            _wait(process, holder, directory / f"{holder.name}.log")
        yield [holder for _, holder in started]


@contextmanager
def _process(name: str, python: str, orders: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out, on(split().measured):
        process = subprocess.Popen(
            [python, "-m", f"bench.peers.{name}_gateway"], env={**os.environ, "GATEWAY": orders}, cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        yield process
    finally:
        end(process)


def _wait(process: subprocess.Popen[bytes], holder: Holder, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while is_free(holder.port) or is_free(holder.push_port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{holder.name} does not serve: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.05)
