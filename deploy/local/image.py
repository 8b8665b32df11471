"""Starts a worker from the image against a Kafka of its own: ready, then stopped within its grace. Needs root."""

import os
import subprocess
import sys
import time
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path

from deploy.local.ports import free_ports
from deploy.local.servers import local_servers

INSIDE = str(Path(__file__).parents[1] / "docker" / "inside.sh")
GRACE = 60.0
TRIES = 6


def main(root: str) -> int:
    """What went wrong on standard error, and exit status 1."""
    [port] = free_ports(1)
    with local_servers(["kafka"]) as running:
        settings = {"LOCKSTEP_KAFKA__SERVERS": running.endpoints.kafka, "LOCKSTEP_HEALTH__PORT": str(port)}
        environment = {**os.environ, **settings}
        made = [INSIDE, root, "lockstep", "topics", "apply"]
        for _ in range(TRIES):  # as the hook Job does: a slow broker opens some hundred partitions one by one
            if subprocess.run(made, env=environment, check=False, stdout=subprocess.DEVNULL).returncode == 0:
                break
        with subprocess.Popen([INSIDE, root, "lockstep", "run", "router"], env=environment) as worker:
            try:
                said = _ready(port, worker)
            finally:
                worker.terminate()
                status = _ended(worker)
    print(f"router     {said}; stopped with {status}", flush=True)
    return 1 if status or "recovered: True" not in said else 0


def _ended(worker: subprocess.Popen[bytes]) -> int:
    """Its exit status; killed where it does not stop within its grace."""
    try:
        return worker.wait(GRACE)
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()


def _ready(port: int, worker: subprocess.Popen[bytes], patience: float = 120.0) -> str:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and worker.poll() is None:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                said = answer.read().decode().strip()
            if answer.status == HTTPStatus.OK:
                return said
        except OSError:
            pass
        time.sleep(0.2)
    return "never ready"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
