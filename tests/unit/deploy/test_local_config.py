"""Tests of the configuration that the local servers are given."""

from pathlib import Path

import pytest
import yaml

from deploy.local import boot, cassandra, kafka, redis
from deploy.local.config import (
    DEFAULT_PORTS,
    Config,
    LocalError,
    checked_names,
    default_home,
    default_ports,
    on_free_ports,
)
from streams.settings import Settings, read_settings


def test_addresses_follow_the_ports(tmp_path: Path) -> None:
    """Clients are given the ports that the servers are given."""
    config = Config(tmp_path, tmp_path, {"kafka": 1, "cassandra": 2, "redis": 3})
    assert config.endpoints.kafka == "127.0.0.1:1"
    assert config.endpoints.cassandra == ("127.0.0.1", 2)
    assert config.endpoints.redis == ("127.0.0.1", 3)


def test_free_ports_differ(tmp_path: Path) -> None:
    """An instance of one's own has three ports and shares the cache of jars."""
    config = on_free_ports(tmp_path)
    assert len(set(config.ports.values())) == 3
    assert config.jars == default_home() / "jars"


def test_the_state_directory_is_a_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """LOCKSTEP_LOCAL_HOME moves the state; without it, it is in the repository."""
    monkeypatch.setenv("LOCKSTEP_LOCAL_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("LOCKSTEP_LOCAL_HOME")
    assert default_home() == Path(__file__).resolve().parents[3] / ".local"


def test_names_come_in_boot_order() -> None:
    """The order in which servers are named does not matter."""
    assert checked_names(["redis", "kafka"]) == ("kafka", "redis")


def test_an_unknown_name_is_refused() -> None:
    """A misspelt server is named in the error."""
    with pytest.raises(LocalError, match="unknown server 'kafak'"):
        checked_names(["kafak"])


def test_kafka_is_one_node_that_makes_no_topics(tmp_path: Path) -> None:
    """Broker and controller listen on their ports, topics are made only on purpose."""
    values = kafka.properties(tmp_path, 1, kafka.Quorum(1, (2,), "id"))
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:1,CONTROLLER://127.0.0.1:2"
    assert values["controller.quorum.voters"] == "1@127.0.0.1:2"
    assert values["auto.create.topics.enable"] == "false"
    assert values["message.max.bytes"] == 2_097_152


def test_a_broker_of_three_keeps_what_two_of_them_have(tmp_path: Path) -> None:
    """All are voters, each has its own ports; a write needs two copies, and no replica that lags becomes the leader."""
    values = kafka.properties(tmp_path, 7, kafka.Quorum(2, (4, 5, 6), "id"))
    assert values["node.id"] == 2
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:7,CONTROLLER://127.0.0.1:5"
    assert values["controller.quorum.voters"] == "1@127.0.0.1:4,2@127.0.0.1:5,3@127.0.0.1:6"
    assert (values["offsets.topic.replication.factor"], values["min.insync.replicas"]) == (3, 2)
    assert values["unclean.leader.election.enable"] == "false"


def test_kafka_is_formatted_once(tmp_path: Path) -> None:
    """The storage tool writes the file that tells that it need not run again, with a cluster id of 16 bytes."""
    server = kafka.server(tmp_path, 1, 2, "/java", Path("/jars"))
    assert server.setup is not None
    command, marker = server.setup
    assert marker == tmp_path / "data/meta.properties"
    assert len(command[command.index("-t") + 1]) == 22
    assert f"log.dirs={tmp_path}/data\n" in server.files[tmp_path / "server.properties"]


def test_cassandra_listens_on_its_two_ports(tmp_path: Path) -> None:
    """The seed is the node itself; all its state is under its directory."""
    server = cassandra.server(tmp_path, 1, 2, "/java", Path("/jars"))
    text = server.files[tmp_path / "cassandra.yaml"]
    assert "native_transport_port: 1\n" in text
    assert "storage_port: 2\n" in text
    assert 'seeds: "127.0.0.1:2"' in text
    assert f'commitlog_directory: "{tmp_path}/data/commitlog"' in text
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in server.command


@pytest.mark.parametrize("serving", [False, True], ids=["small", "serving"])
def test_cassandra_answers_once_a_write_is_on_the_disk(
    serving: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else it is set for."""
    monkeypatch.setattr("deploy.local.tools.java", lambda: "/java")
    server = boot.server_of(on_free_ports(tmp_path, serving=serving), "cassandra")
    settings = yaml.safe_load(server.files[tmp_path / "cassandra/cassandra.yaml"])
    assert settings["commitlog_sync"] == "batch"
    assert ("memtable_heap_space" in settings) is not serving


def test_redis_keeps_nothing_and_evicts_nothing(tmp_path: Path) -> None:
    """No snapshot, no append-only file, and an error rather than an eviction when it is full."""
    command = " ".join(redis.server(tmp_path, 3).command)
    assert "--save  --appendonly no --maxmemory-policy noeviction" in command
    assert "--port 3 " in command


def test_ports_are_settings() -> None:
    """A port of the environment replaces the usual one; what is no port is refused by name."""
    assert default_ports({"LOCKSTEP_LOCAL_REDIS_PORT": "1"}) == {**DEFAULT_PORTS, "redis": 1}
    for text in ("", "x", "0", "65536", "-1", "²"):
        with pytest.raises(LocalError, match=r"^LOCKSTEP_LOCAL_REDIS_PORT: .* is not a port$"):
            default_ports({"LOCKSTEP_LOCAL_REDIS_PORT": text})


def test_settings_of_the_local_servers_are_none_of_a_process() -> None:
    """A worker that is started beside them ignores them."""
    assert read_settings({"LOCKSTEP_LOCAL_HOME": "/x", "LOCKSTEP_LOCAL_REDIS_PORT": "1"}) == Settings()
