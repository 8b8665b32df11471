"""The session on Cassandra, with a driver that only counts."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra.pool import HostConnection

from sinks.cassandra import Cassandra, CassandraUnavailable
from streams.settings import Settings


class Driver:
    """A session with one connection, that answers at once."""

    def __init__(self, in_flight: int) -> None:
        pool = HostConnection.__new__(HostConnection)
        pool._connection = SimpleNamespace(
            in_flight=in_flight, is_closed=False, is_defunct=False, orphaned_request_ids=set(),
            orphaned_threshold_reached=False, max_request_id=32_767, lock=threading.Lock(), get_request_id=lambda: 1,
        )  # fmt: skip
        pool._lock = threading.Lock()
        pool._stream_available_condition = threading.Condition(pool._lock)
        self.pool = pool

    def get_pools(self) -> list[Any]:
        """All of them."""
        return [self.pool]

    def execute_async(self, statement: str, parameters: tuple[Any, ...]) -> Any:
        """As the driver does: it asks for room, and waits where there is none."""
        self.pool.borrow_connection(0.0)
        return SimpleNamespace(add_callbacks=lambda answer, fail: answer([statement]))


async def test_a_connection_without_room_holds_up_no_loop() -> None:
    """The driver would wait for room in the loop's thread: such a request fails before it is made."""
    assert await Cassandra(Driver(31_999), Settings().cassandra).execute("SELECT") == ["SELECT"]
    full = Driver(32_766)
    with pytest.raises(CassandraUnavailable, match="too many requests"):
        await Cassandra(full, Settings().cassandra).execute("SELECT")
    assert full.pool.get_state()["in_flights"] == [32_766]
