"""The outlet outlasts a broker that is away: on librdkafka's simulated broker, which can be switched off and on."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import confluent_kafka
import pytest

from streams.transport import Failure
from streams.transport.client import read_partition
from streams.transport.outlet import Outlet

AWAY_S = 3.0
CONFIG = {"linger.ms": 0, "batch.num.messages": 1, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 200}


class Switch(NamedTuple):
    """A simulated broker."""

    library: ctypes.CDLL
    cluster: ctypes.c_void_p
    servers: str

    def down(self) -> None:
        """Nobody answers any more."""
        self.library.rd_kafka_mock_broker_set_down(self.cluster, 1)

    def up(self) -> None:
        """The broker is back."""
        self.library.rd_kafka_mock_broker_set_up(self.cluster, 1)


@pytest.fixture
def broker() -> Iterator[Switch]:
    """With a topic `t` of one partition."""
    (path,) = (Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*.so*")
    library = ctypes.CDLL(str(path))
    for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
        getattr(library, name).restype = ctypes.c_void_p
    library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
    error = ctypes.create_string_buffer(512)
    client = ctypes.c_void_p(library.rd_kafka_new(0, ctypes.c_void_p(library.rd_kafka_conf_new()), error, 512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    library.rd_kafka_mock_topic_create(cluster, b"t", 1, 1)
    yield Switch(library, cluster, library.rd_kafka_mock_cluster_bootstraps(cluster).decode())
    library.rd_kafka_mock_cluster_destroy(cluster)
    library.rd_kafka_destroy(client)


async def test_a_broker_that_is_away_leaves_no_hole(broker: Switch) -> None:
    """Records wait for it, however long: all of them come, in order, and nothing has failed."""
    failure = Failure()
    outlet = Outlet({**CONFIG, "bootstrap.servers": broker.servers, "log_level": 0}, failure)
    outlet.start()
    outlet.put("t", 0, b"k", b"0")
    await outlet.flush()
    broker.down()
    for number in range(1, 6):
        outlet.put("t", 0, b"k", b"%d" % number)
    await asyncio.sleep(AWAY_S)
    broker.up()
    assert failure.cause is None
    await outlet.flush()
    outlet.stop()
    assert [record.value for record in read_partition(broker.servers, "t", 0, 0)] == [b"%d" % n for n in range(6)]
