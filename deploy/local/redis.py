"""Redis as lockstep wants it: nothing on disk, nothing evicted."""

from pathlib import Path

from deploy.local.server import Server, ask


def server(directory: Path, port: int) -> Server:
    """A Redis that keeps its working directory in `directory`."""
    data = directory / "data"
    command = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", str(data), "--save", ""]
    command += ["--appendonly", "no", "--maxmemory-policy", "noeviction", "--daemonize", "no", "--databases", "256"]
    return Server("redis", port, command, answers, files={data / ".keep": ""})


def answers(port: int) -> bool:
    """Whether a Redis answers PING."""
    return ask(port, b"PING\r\n", 7) == b"+PONG\r\n"
