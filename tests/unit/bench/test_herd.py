"""How the devices of the drill come back, and what its last line makes of what they saw."""

from __future__ import annotations

import asyncio
from itertools import chain, pairwise

import numpy as np
import pytest

from bench.herd import __main__ as herd
from bench.herd import flock as devices
from bench.herd.flock import FIRST_S, LONGEST_S, Flock, Homing, members, wait_before
from bench.judge import Arrivals
from bench.plan import Load
from bench.runs import Incomplete
from edge.sockets import frames
from tests.unit.bench.test_crowd import Wire

UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
LIVE = UPGRADE + frames.text(b'{"type":"sync_end","cursor":"newest"}')
SECOND = 1_000_000_000


@pytest.mark.parametrize("tries", [0, 1, 4, 5, 50])
def test_a_wait_is_any_part_of_a_time_that_doubles(tries: int) -> None:
    """Up to the longest."""
    longest = min(LONGEST_S, FIRST_S * 2**tries)
    waits = [wait_before(tries) for _ in range(1000)]
    assert 0 <= min(waits) < 0.1 * longest
    assert 0.9 * longest < max(waits) <= longest


def test_every_device_is_in_one_process_and_the_herd_has_its_own() -> None:
    """Of 4 gateways and 3 processes."""
    herd, *others = [list(members(120, 4, part, 3)) for part in range(3)]
    assert sorted(chain(herd, *others)) == list(range(120))
    assert herd == list(range(0, 120, 4))
    assert all([number % 4 for number in part].count(place) == 15 for part in others for place in (1, 2, 3))


async def test_a_device_that_lost_its_gateway_goes_to_others_until_it_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits longer before each try, and is lost once."""
    waits: list[int] = []

    def at_once(tries: int) -> float:
        waits.append(tries)
        return 0.0

    monkeypatch.setattr(devices, "wait_before", at_once)
    flock, tried, wires = Flock(), [], [Wire() for _ in range(4)]
    flock.places = [("host", port) for port in range(3)]
    live = asyncio.Event()

    async def connect(make: object, host: str, port: int) -> None:
        tried.append(port)
        if len(tried) in (2, 4):
            raise ConnectionRefusedError
        device.connection_made(wires[len(tried) // 2])
        if len(tried) == 3:
            device.connection_lost(None)  # before it was live
            return
        device.data_received(LIVE)
        live.set()

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", connect)
    device = Homing(1, "token", flock)
    device.go()
    await live.wait()
    live.clear()
    device.connection_lost(ConnectionResetError())
    assert (flock.lost, device.is_live) == (1, False)
    await live.wait()
    assert tried[0] == 1
    assert all(before != after for before, after in pairwise(tried))
    assert waits == [0, 1, 2, 3]
    assert (len(flock.accepts), list(flock.returns[::2])) == (2, [1, 1])
    assert b"newest" in wires[2].written[-1]


async def test_a_device_that_is_never_live_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it tries."""
    monkeypatch.setattr(devices, "LIVE_S", 0.01)

    async def nowhere(make: object, host: str, port: int) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", nowhere)
    monkeypatch.setattr(devices, "issue", lambda *_: "token")
    with pytest.raises(TimeoutError):
        await Flock().gather([("host", 1), ("host", 2)], "keys", Load("critical", "run", 1, 0, 0), 0, 1)


def test_the_peak_is_of_any_second() -> None:
    """Not only of those that a clock begins."""
    assert herd.peak_per_s(np.array([0, 6, 7, 8, 14, 15, 16, 30]) * SECOND // 10) == 5


def drill(shown: list[int], gone: int = 0) -> herd.Drill:
    """Eight events for four devices, one a second; the gateway of the first dies at 2.5 s, and it is back at 4 s.

    `gone`: an event that took 3 ms more.
    """
    numbers = np.array(shown)
    times = numbers * SECOND + 2_000_000 + 3_000_000 * (numbers == gone)
    returns = np.array([(0, 4 * SECOND), (0, 1)])
    seen = herd.Seen(Arrivals(numbers % 4, 0 * numbers, numbers, times), np.array([1, 3 * SECOND]), returns)
    return herd.Drill(Load("critical", "run", 4, 0, 8), np.arange(8) * SECOND, 5 * SECOND // 2, 4, seen)


def test_the_last_line_is_of_the_time_from_the_kill_to_the_last_return() -> None:
    """Reads over the devices that came back, pushes to those of living gateways."""
    found = drill(list(range(8)), gone=4)
    assert herd.figures(found, 4) == {
        "devices": 4, "all_back_s": 1.5, "peak_accepts_per_s": 1, "push_p99_ms_others": 2.0,
        "inbox_reads_per_device": 4.0, "lost": 0,
    }  # fmt: skip


@pytest.mark.parametrize("shown", [[0, 1, 2, 3, 5, 6, 7], [4, 1, 2, 3, 0, 5, 6, 7], [*range(8), 4]])
def test_an_event_that_is_missing_late_or_there_twice_is_lost(shown: list[int]) -> None:
    """At any device."""
    assert herd.figures(drill(shown), 4)["lost"] == 1


def test_a_drill_in_which_nothing_was_pushed_gives_no_figure() -> None:
    """Events of the device that was away alone do not count."""
    with pytest.raises(Incomplete):
        herd.figures(drill([0, 4]), 4)
