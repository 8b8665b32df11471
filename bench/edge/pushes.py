"""Pushes to all devices in turn, through the internal port of a gateway, as a worker posts them."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from bench.edge.holders import Holder
from bench.plan import LANES, Load, Planned, account_name
from bench.system import BEGIN
from sinks import wire
from sinks.socket import MAX_NOTES
from sinks.wire import Delivery, Note
from streams.envelope import notification_id

LANE: Final = 0
LIFE_MS: Final = 3_600_000
_TOPIC: Final = b"topc"
_TIMEOUT_S: Final = 60.0


def bodies(load: Load, gateway: tuple[int, int]) -> Iterator[tuple[bytes, int]]:
    """What is posted for a range of events, and the number of devices in each; positions of a device rise by one."""
    now = time.time_ns() // 1_000_000
    notes: list[Note] = []
    for planned in load.events():
        notes.append(_note(load, planned, now))
        if len(notes) == MAX_NOTES:
            yield wire.encode_delivery(Delivery(*gateway, notes)), len(notes)
            notes = []
    if notes:
        yield wire.encode_delivery(Delivery(*gateway, notes)), len(notes)


def _note(load: Load, planned: Planned, now: int) -> Note:
    before = BEGIN + planned.id // load.accounts
    return Note(
        notification_id(before + 1, 0, _TOPIC), account_name(load.run, planned.account), LANES["critical"], LANE,
        before + 1, before, now, now + LIFE_MS, (f"e{planned.id}",), "application/json",
        json.dumps(planned.data).encode(), planned.devices, (),
    )  # fmt: skip


class Port:
    """The internal port of a gateway, over a connection that stays open; a context manager."""

    def __init__(self, holder: Holder) -> None:
        self._connection = http.client.HTTPConnection(holder.host, holder.push_port, timeout=_TIMEOUT_S)

    def post(self, body: bytes, devices: int) -> int:
        """Push a batch; how many devices were not answered for as taken. Raises OSError and HTTPException."""
        self._connection.request("POST", wire.PATH, body, {"Content-Type": wire.CONTENT_TYPE})
        answer = self._connection.getresponse()
        text = answer.read()
        statuses = wire.decode_statuses(text) if answer.status == 200 else []
        return devices - statuses.count(wire.TAKEN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection."""
        self._connection.close()
