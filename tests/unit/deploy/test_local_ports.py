"""Tests of free and taken ports, and of room on the disk."""

import os
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.boot import require_free_ports
from deploy.local.config import DEFAULT_PORTS, Config, LocalError
from deploy.local.disk import require_room

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4A94 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0 0 10 0
   1: 0100007F:4A94 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 5678 1 0 100 0 0 10 0
"""


def test_free_ports_are_different_and_free() -> None:
    """Each can be listened on, and none is given twice."""
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    assert all(ports.is_free(port) and ports.FIRST <= port < ports.LAST for port in found)


def test_no_port_is_given_twice_while_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor one that a server takes for itself, the next one up. Then that which was given first comes again."""
    monkeypatch.setenv(ports.VARIABLE, f"{ports.FIRST}-{ports.FIRST + 99}")
    monkeypatch.setattr(ports, "_is_unused", lambda port: True)
    found = [ports.free_ports(1)[0] for _ in range(50)]
    assert len({*found, *(port + 1 for port in found)}) == 100
    assert [ports.free_ports(1)[0] for _ in range(50)] == found


def test_processes_that_share_the_range_never_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finds free ports in its own part."""
    parts = []
    for part in range(3):
        monkeypatch.setenv(ports.VARIABLE, ports.share(part, 3))
        parts.append(sorted(ports.free_ports(100)))
    assert all(one[-1] < other[0] for one, other in pairwise(parts))
    assert parts[0][0] >= ports.FIRST
    assert parts[-1][-1] < ports.LAST


def test_too_few_free_ports_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """That says how many there are, and not a shorter list."""
    [port] = ports.free_ports(1)
    monkeypatch.setenv(ports.VARIABLE, f"{port}-{port}")
    assert ports.free_ports(1) == [port]
    with pytest.raises(OSError, match="only 1 are free, 2 are needed"):
        ports.free_ports(2)


def test_the_port_for_internal_use_steps_aside() -> None:
    """It is the next one up, unless that is taken."""
    port = next(port for port in ports.free_ports(50) if ports.is_free(port + 1))
    assert ports.derived_port(port) == port + 1
    with socket.create_server(("127.0.0.1", port + 1)):
        assert ports.derived_port(port) not in (port, port + 1)
    assert ports.derived_port(65_535) <= ports.LAST


def test_only_listeners_hold_a_port() -> None:
    """A connection from the port does not take it."""
    assert ports.listening_inodes(TABLE, 0x4A94) == {"1234"}
    assert ports.listening_inodes(TABLE, 80) == set()


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    """The error says which port, for what, who has it and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = Config(tmp_path, tmp_path, {**DEFAULT_PORTS, "redis": port})
        advice = r"\(.+\): free it, or set LOCKSTEP_LOCAL_REDIS_PORT$"
        expected = rf"^port {port} for redis is already taken by pid {os.getpid()} {advice}"
        with pytest.raises(LocalError, match=expected):
            require_free_ports(config, ["redis"])


def test_too_little_room_is_named(tmp_path: Path) -> None:
    """The error says how much is free and how much is needed, also for a directory that is not there yet."""
    require_room(tmp_path / "not/yet", needed=1)
    with pytest.raises(LocalError, match=r"GiB free, 1048576.0 GiB are needed"):
        require_room(tmp_path / "not/yet", needed=1 << 50)
