"""A read that gave little is followed by a linger: what comes meanwhile shares the next. A backlog is by none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from streams.transport import thread
from streams.transport.thread import BACKLOG, ConsumerThread, Read

LINGER = 0.1


class Thread(ConsumerThread):
    """One whose reads give so many records each, and that tells nothing of a consumer."""

    def __init__(self, reads: Sequence[int], linger: float) -> None:
        self._reads = iter(reads)
        self.consumer = SimpleNamespace(flow_active=True)
        self.transport = SimpleNamespace(linger=linger)

    async def _read_now(self, fetcher: Any, max_records: int | None) -> Read:
        return 1, {("in", 0): [None] * next(self._reads)}


async def lingers(monkeypatch: pytest.MonkeyPatch, reads: Sequence[int], linger: float) -> list[float]:
    """How long was slept before each read, s, by a clock that moves with sleep alone."""
    slept: list[float] = []
    now = 1000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(round(seconds, 6))

    monkeypatch.setattr(thread, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(thread, "asyncio", SimpleNamespace(sleep=sleep))
    fetcher = SimpleNamespace(_closed=False, _subscriptions=SimpleNamespace(fetch_context=nullcontext))
    reader = Thread(reads, linger)
    for _ in reads:
        await reader._fetch_records(SimpleNamespace(_fetcher=fetcher, _closed=False), set())
    return slept


def test_little_is_followed_by_a_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the first record after a silence; the reads after it are so far apart."""
    assert asyncio.run(lingers(monkeypatch, [1, 3, BACKLOG - 1, 1], LINGER)) == [0.0, LINGER, LINGER, LINGER]


def test_a_backlog_is_read_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many partitions it is of."""
    assert asyncio.run(lingers(monkeypatch, [BACKLOG, 2000, BACKLOG, 1], LINGER)) == [0.0, 0.0, 0.0, 0.0]


def test_a_lane_without_linger_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An urgent event waits for nobody."""
    assert asyncio.run(lingers(monkeypatch, [1, 1, 1], 0.0)) == [0.0, 0.0, 0.0]
