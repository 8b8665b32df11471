"""Where the local servers live and which ports they take."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.ports import free_ports

NAMES = ("kafka", "cassandra", "redis")
DEFAULT_PORTS: Mapping[str, int] = {"kafka": 19092, "cassandra": 19042, "redis": 16379}
HOST = "127.0.0.1"


class LocalError(Exception):
    """The local servers cannot be had; the message is one line that says why and what to do."""


def default_home() -> Path:
    """The state directory: `LOCKSTEP_LOCAL_HOME`, else `.local` in the repository."""
    return Path(os.environ.get("LOCKSTEP_LOCAL_HOME") or Path(__file__).resolve().parents[2] / ".local").absolute()


def default_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """The client ports: `LOCKSTEP_LOCAL_KAFKA_PORT` and its like where set; LocalError for one that is no port."""
    ports = dict(DEFAULT_PORTS)
    for name in NAMES:
        variable = f"LOCKSTEP_LOCAL_{name.upper()}_PORT"
        text = environ.get(variable, str(ports[name]))
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 65_535:
            raise LocalError(f"{variable}: {text!r} is not a port")
        ports[name] = int(text)
    return ports


@dataclass(frozen=True)
class Endpoints:
    """Addresses that clients connect to."""

    kafka: str
    cassandra: tuple[str, int]
    redis: tuple[str, int]


@dataclass(frozen=True)
class Config:
    """One instance of the servers: its state directory, its cache of jars, its client ports.

    `serving`: Cassandra is set as one that serves, for measurements; otherwise to be small. Either way it answers
    once a write is on the disk, so that a node that is killed loses none.
    """

    home: Path
    jars: Path
    ports: Mapping[str, int]
    serving: bool = False

    @property
    def endpoints(self) -> Endpoints:
        """The addresses of the three servers, whether or not they are up."""
        return Endpoints(
            kafka=f"{HOST}:{self.ports['kafka']}",
            cassandra=(HOST, self.ports["cassandra"]),
            redis=(HOST, self.ports["redis"]),
        )

    def directory(self, name: str) -> Path:
        """State of one server: configuration, data, log and pid file."""
        return self.home / name


def default_config() -> Config:
    """The instance of `make up`."""
    home = default_home()
    return Config(home, home / "jars", default_ports(os.environ))


def on_free_ports(home: Path, jars: Path | None = None, *, serving: bool = False) -> Config:
    """A configuration for an instance of one's own, which shares the default cache of jars."""
    ports = dict(zip(NAMES, free_ports(len(NAMES)), strict=True))
    return Config(home.absolute(), (jars or default_home() / "jars").absolute(), ports, serving)


def checked_names(names: Iterable[str]) -> tuple[str, ...]:
    """The given server names in boot order; LocalError for one that does not exist."""
    wanted = set(names)
    if unknown := sorted(wanted - set(NAMES)):
        raise LocalError(f"unknown server {unknown[0]!r}: the servers are {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in wanted)
