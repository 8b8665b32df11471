"""Tests of booting and stopping the local servers, each on an instance of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import processes, redis
from deploy.local.config import NAMES, Config, on_free_ports
from deploy.local.servers import Running, local_servers, start, status, stop

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Config]:
    """An instance that is not up; whatever a test starts in it is stopped."""
    chosen = on_free_ports(tmp_path / "home")
    yield chosen
    stop(chosen.home, grace=0)


def local(config: Config, action: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    ports = [f"--{name}-port={config.ports[name]}" for name in NAMES]
    where = ["--home", str(config.home), "--jars", str(config.jars)]
    command = [sys.executable, "-m", "deploy.local", action, *where, *ports, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_all_three_boot_and_a_second_up_changes_nothing(config: Config) -> None:
    """Each answers on its port; the second call finds them by their pid files; down ends them."""
    first = local(config, "up")
    assert first.returncode == 0, first.stderr
    before = status(config.home)
    assert all(before.values())
    assert len([line for line in first.stdout.splitlines() if " up in " in line]) == 3

    second = local(config, "up")
    assert second.returncode == 0
    assert status(config.home) == before
    assert all(f"is up on 127.0.0.1:{port}" in second.stdout for port in config.ports.values())
    assert local(config, "status").stdout.count("up on 127.0.0.1:") == 3

    down = local(config, "down")
    assert down.returncode == 0
    assert down.stdout.count("stopped") == 3
    assert status(config.home) == dict.fromkeys(NAMES)


def test_down_stops_only_its_own(config: Config, tmp_path: Path) -> None:
    """Another instance stays up, and so does a stranger whose pid stands in the pid file."""
    other = start(on_free_ports(tmp_path / "other"), ["redis"])
    stranger = processes.spawn(["sleep", "600"], tmp_path / "log", port=0)
    try:
        start(config, ["redis"]).kill("redis")
        forged = processes.Process(pid=stranger.pid, identity="of an earlier process", port=config.ports["redis"])
        processes.write(config.directory("redis") / "process.json", forged)
        done = local(config, "down")
        assert (done.returncode, done.stdout) == (0, "")
        assert redis.answers(other.config.ports["redis"])
        assert stranger.alive()
    finally:
        processes.end(stranger, grace=0)
        other.stop()
    assert not redis.answers(other.config.ports["redis"])


def test_a_taken_port_is_one_clear_line(config: Config) -> None:
    """No trace, the port and its holder are named, and nothing was started."""
    with socket.create_server(("127.0.0.1", config.ports["redis"])):
        done = local(config, "up")
    assert done.returncode == 1
    expected = f"error: port {config.ports['redis']} for redis is already taken by pid {os.getpid()}"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert status(config.home) == dict.fromkeys(NAMES)


def test_a_server_that_dies_while_it_boots_takes_the_others_with_it(config: Config) -> None:
    """The line says what the server said and where its log is; none is left half up."""
    (config.directory("kafka") / "data").mkdir(parents=True)
    (config.directory("kafka") / "data/meta.properties").write_text("version=1\nnode.id=7\ncluster.id=other\n")
    done = local(config, "up", "--only=kafka,redis")
    assert done.returncode == 1
    assert done.stderr.startswith("error: kafka ended while it booted: ")
    assert str(config.directory("kafka") / "server.log") in done.stderr
    assert done.stderr.count("\n") == 1
    assert status(config.home) == dict.fromkeys(NAMES)
    assert not redis.answers(config.ports["redis"])


def test_another_port_for_a_running_server_is_refused(config: Config) -> None:
    """A state directory holds one instance."""
    start(config, ["redis"])
    moved = Config(config.home, config.jars, {**config.ports, "redis": config.ports["kafka"]})
    done = local(moved, "up", "--only=redis")
    assert done.returncode == 1
    assert f"redis is up already on port {config.ports['redis']}" in done.stderr


def test_faults(servers: Running) -> None:
    """A killed server is down and comes back on its port; a paused one gives no answer until it goes on."""
    port = servers.config.ports["redis"]
    servers.kill("redis")
    assert not redis.answers(port)
    servers.restart("redis")
    assert redis.answers(port)
    servers.pause("redis")
    assert not redis.answers(port)
    servers.resume("redis")
    assert redis.answers(port)
    servers.kill("redis")
    servers.revive()
    assert redis.answers(port)


def test_an_instance_of_ones_own_leaves_nothing() -> None:
    """It ends with the block that it was made for, and its directory with it."""
    with local_servers(["redis"]) as running:
        assert redis.answers(running.endpoints.redis[1])
        assert running.config.home.is_dir()
    assert not redis.answers(running.endpoints.redis[1])
    assert not running.config.home.exists()
