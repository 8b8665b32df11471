"""Free ports, and who holds a taken one."""

import errno
import os
import random
import socket
from itertools import count as counting
from itertools import islice
from pathlib import Path

# Below the range from which systems take the source ports of outgoing connections.
FIRST, LAST = 20_000, 32_000
#: Narrows that to `first-last`, for processes that look for free ports at the same time.
VARIABLE = "LOCKSTEP_LOCAL_PORTS"
_LISTEN = "0A"
#: When a port was given last, as a running number.
_given: dict[int, int] = {}
_numbers = counting(1)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def share(part: int, parts: int) -> str:
    """The value of VARIABLE for one of so many processes: a range that none of the others has."""
    each = (LAST - FIRST) // parts
    return f"{FIRST + part * each}-{FIRST + (part + 1) * each - 1}"


def _is_unused(port: int) -> bool:
    """Whether nobody listens there, and no connection of a server that has just ended lingers."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Different even ports that are all free now, and that it has not given before while there are others.

    Who asked for a port may not listen on it yet when another asks, and a server that is down comes back to its own.
    Odd ones are left to `derived_port`. Raises OSError where there are not so many.
    """
    first, _, last = os.environ.get(VARIABLE, share(0, 1)).partition("-")
    among = [port for port in range(int(first), int(last) + 1) if port % 2 == 0]
    random.shuffle(among)
    among.sort(key=lambda port: _given.get(port, 0))
    found = list(islice(filter(_is_unused, among), count))
    if len(found) < count:
        raise OSError(errno.EADDRINUSE, f"of ports {first} to {last} only {len(found)} are free, {count} are needed")
    _given.update(zip(found, _numbers, strict=False))
    return found


def derived_port(port: int) -> int:
    """A free port for a server's internal use: the next one up, else any."""
    return port + 1 if port < 65_535 and is_free(port + 1) else free_ports(1)[0]


def listening_inodes(table: str, port: int) -> set[str]:
    """Socket inodes that listen on the port, from the text of /proc/net/tcp or tcp6."""
    rows = (line.split() for line in table.splitlines()[1:])
    return {row[9] for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def holder(port: int) -> str:
    """Who listens on the port, as " by pid 12 (java)"; empty where the system does not tell."""
    inodes: set[str] = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            inodes |= listening_inodes(table.read_text(), port)
    links = {f"socket:[{inode}]" for inode in inodes}
    for directory in Path("/proc").glob("[0-9]*/fd") if links else ():
        try:
            if any(str(entry.readlink()) in links for entry in directory.iterdir()):
                return f" by pid {directory.parent.name} ({(directory.parent / 'comm').read_text().strip()})"
        except OSError:
            continue  # another user's process, or one that has just ended
    return ""
