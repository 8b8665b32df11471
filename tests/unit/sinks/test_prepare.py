"""Statements of Cassandra, prepared by a session that the test answers for."""

from __future__ import annotations

from typing import Any

import pytest
from cassandra import InvalidRequest, OperationTimedOut

from sinks.cassandra import Cassandra, CassandraUnavailable
from streams import settings


class Session:
    """Prepares nothing, for a reason."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def prepare(self, text: str) -> Any:
        """Raise it."""
        raise self._error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InvalidRequest("table devices does not exist"), "keyspace lockstep: table devices .*: apply the schema first"),
        (OperationTimedOut(), "OperationTimedOut"),
    ],
)
async def test_what_cannot_be_prepared_says_why(error: Exception, says: str) -> None:
    """A table that is missing stops a process with one line, as a keyspace does, and lets the console go on trying."""
    disk = Cassandra(Session(error), settings.Cassandra(keyspace="lockstep"))
    with pytest.raises(CassandraUnavailable, match=says):
        await disk.prepare("SELECT id FROM devices")
