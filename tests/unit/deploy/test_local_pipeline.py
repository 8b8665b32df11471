"""Members of a pipeline that are waited for."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

from deploy.local.pipeline import Member


def test_a_member_is_not_ready_while_something_else_answers_at_its_port(tmp_path: Path) -> None:
    """Until the member listens, the port may be anybody's, who need not speak HTTP."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"\0P\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = threading.Thread(target=answer)
        other.start()
        with subprocess.Popen([sys.executable, "-c", ""]) as process:
            member = Member("critical", process, tmp_path / "log", listener.getsockname()[1])
            assert not member.ready()
        other.join()
