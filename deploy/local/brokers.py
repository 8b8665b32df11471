"""A Kafka of several brokers, each a controller too, for tests of what happens when some of them fail."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local import boot, jars, kafka, ports, processes, servers, tools
from deploy.local.config import HOST, Config, LocalError, on_free_ports
from deploy.local.kafka import Quorum
from deploy.local.processes import Process
from deploy.local.server import Server


@dataclass(frozen=True)
class Brokers:
    """A running cluster; brokers are known by their node id, from 1 on."""

    home: Path
    ports: tuple[int, ...]
    nodes: tuple[Server, ...]

    @property
    def bootstrap(self) -> str:
        """The addresses of all brokers, up or not."""
        return ",".join(f"{HOST}:{port}" for port in self.ports)

    @property
    def ids(self) -> range:
        """The node ids."""
        return range(1, len(self.nodes) + 1)

    def start(self, ids: Iterable[int]) -> None:
        """Have these up, all at once; LocalError when one does not come up."""
        boot.together([
            partial(boot.run, self.home, _name(node), self.nodes[node - 1], servers.silent)
            for node in ids
            if not self._up(node)
        ])  # fmt: skip

    def kill(self, node: int) -> None:
        """End a broker as a crash would; its data stay."""
        self._end(node, 0)

    def stop(self, node: int) -> None:
        """End a broker in good order: it hands its partitions over first."""
        self._end(node, servers.GRACE)

    def stop_all(self) -> None:
        """End all that are up, at once."""
        for node in self.ids:
            if self._up(node):
                self.kill(node)

    def _up(self, node: int) -> Process | None:
        process = processes.read(boot.pid_file(self.home, _name(node)))
        return process if process and process.alive() else None

    def _end(self, node: int, grace: float) -> None:
        process = self._up(node)
        if process is None:
            raise LocalError(f"broker {node} is not up")
        if not processes.end(process, grace):
            raise LocalError(f"broker {node} (pid {process.pid}) does not end")


@contextmanager
def cluster(number: int = 3, config: Config | None = None) -> Iterator[Brokers]:
    """A cluster of one's own on free ports, its data in a temporary directory; `config` says where the jars are."""
    home = Path(tempfile.mkdtemp(prefix="lockstep-brokers-"))
    chosen = config or on_free_ports(home)
    servers.prepare(chosen, ["kafka"])
    made = _brokers(home, number, jars.directory(chosen.jars, "kafka"))
    try:
        made.start(made.ids)
        yield made
    finally:
        made.stop_all()
        shutil.rmtree(home, ignore_errors=True)


def _brokers(home: Path, number: int, path: Path) -> Brokers:
    java = tools.java()
    if java is None:
        raise LocalError("Java 17 is gone since it was looked for")
    free = ports.free_ports(2 * number)
    clients, controllers, id_ = tuple(free[:number]), tuple(free[number:]), kafka.fresh_cluster()
    nodes = tuple(
        kafka.node(home / _name(node), clients[node - 1], Quorum(node, controllers, id_), java, path)
        for node in range(1, number + 1)
    )
    return Brokers(home, clients, nodes)


def _name(node: int) -> str:
    return f"kafka-{node}"
