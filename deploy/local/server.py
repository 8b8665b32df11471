"""What is common to the three servers: files to write, a command to run, a question that a booted server answers."""

import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Server:
    """One server ready to be started; building it touches nothing."""

    name: str
    port: int
    command: Sequence[str]
    answers: Callable[[int], bool]
    files: Mapping[Path, str] = field(default_factory=dict)
    # A command to run first while the marker file does not exist.
    setup: tuple[Sequence[str], Path] | None = None


def _through(tls: ssl.SSLContext | None, plain: socket.socket) -> socket.socket:
    return tls.wrap_socket(plain, server_hostname=_HOST) if tls else plain


def ask(port: int, question: bytes, size: int, tls: ssl.SSLContext | None = None) -> bytes:
    """The first `size` bytes that a server answers to a question; fewer, or none, if it does not."""
    answer = b""
    try:
        with socket.create_connection((_HOST, port), timeout=1.0) as plain, _through(tls, plain) as connection:
            connection.sendall(question)
            while len(answer) < size and (chunk := connection.recv(size - len(answer))):
                answer += chunk
    except OSError:
        pass
    return answer
