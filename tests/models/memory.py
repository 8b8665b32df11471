"""Redis and Cassandra for the models: in memory, each command at a gate of the schedule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import hiredis

from sinks import heads, presence
from sinks.rows import Notification, Row, notification_of
from tests.models.schedules import Schedule

RUN_ID = b"life-one"


class MemoryRedis:
    """In the place of `sinks.redis.Redis`, for one actor: commands of a pipeline are done one after the other."""

    run_id = RUN_ID
    errors = 0

    def __init__(self, data: dict[bytes, dict[bytes, bytes]], schedule: Schedule, actor: str) -> None:
        self._data = data
        self._schedule = schedule
        self._actor = actor
        self._scripts: dict[bytes, Callable[[bytes, list[bytes]], Any]] = {
            heads._RAISE.digest: self._raise,
            presence._REGISTER.digest: self._register,
        }

    async def call(self, *commands: bytes) -> list[Any]:
        """As Redis does."""
        return await self.pipeline(b"".join(commands), len(commands))

    async def run(self, *commands: bytes) -> list[Any]:
        """No script is ever forgotten here."""
        return await self.call(*commands)

    async def pipeline(self, data: bytes, replies: int) -> list[Any]:
        """Other clients may come between any two commands."""
        reader = hiredis.Reader()
        reader.feed(data)
        found = []
        for _ in range(replies):
            name, *parts = reader.gets()
            if name == b"EVALSHA":
                script, _, key, *parts = parts
                await self._schedule.gate(self._actor, f"script on {key.decode()}")
                found.append(self._scripts[script](key, parts))
            else:
                await self._schedule.gate(self._actor, f"{name.decode()} {parts[0].decode()}")
                found.append(self._plain(name, *parts))
        return found

    def _plain(self, name: bytes, key: bytes, *fields: bytes) -> Any:
        values = self._data[key]
        if name == b"HMGET":
            return [values.get(field) for field in fields]
        assert name == b"HGETALL"
        return [part for pair in values.items() for part in pair]

    def _raise(self, key: bytes, parts: list[bytes]) -> bytes | None:
        field, seq = parts[:2]
        before = self._data[key].get(field)
        self._data[key][field] = b"%d" % max(int(seq), int(before or -1))
        return before

    def _register(self, key: bytes, parts: list[bytes]) -> int:
        device, place = parts[:2]
        epoch = 1 << 60  # never too old
        self._data[key][device] = epoch.to_bytes(8, "big") + place
        return epoch


class MemoryInbox:
    """The inbox of all accounts: as `InboxWriter` for one actor, as `InboxReader` for another."""

    def __init__(self, rows: dict[int, Row], schedule: Schedule, actor: str) -> None:
        self._rows = rows
        self._schedule = schedule
        self._actor = actor

    async def write(self, rows: Sequence[Row]) -> None:
        """Each row is there before the next one is written."""
        for row in rows:
            await self._schedule.gate(self._actor, f"row {row.seq}")
            self._rows[row.seq] = row

    async def read(
        self, account: str, lane: int, after: int, upto: int | None, limit: int, acked: int = -1
    ) -> list[Notification]:
        """The rows of the moment."""
        await self._schedule.gate(self._actor, f"reads lane {lane} above {after}")
        found = [
            row for seq, row in sorted(self._rows.items())
            if row.lane == lane and seq > after and (upto is None or seq <= upto)
        ]  # fmt: skip
        return [_read(row) for row in found[:limit]]


class _Id:
    """As the driver gives a uuid."""

    def __init__(self, bytes_: bytes) -> None:
        self.bytes = bytes_


def _read(row: Row) -> Notification:
    id_: Any = _Id(row.id)
    return notification_of(row.lane, row.seq, id_, row.type.decode(), row.detail, row.payload)


def empty() -> dict[bytes, dict[bytes, bytes]]:
    """A Redis without keys."""
    return defaultdict(dict)
