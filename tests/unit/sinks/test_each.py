"""A sink of one request a device, with the stub as its provider."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sinks import each
from sinks.breaker import FAILURES
from sinks.each import Answer, Circuit, Circuits, EachSink, Note
from sinks.stub import Stub
from tests.unit.sinks.make import push


async def _statuses(sink: EachSink, *tokens: bytes) -> list[tuple[str, str]]:
    targets = tuple((token.decode(), 0, 0, 0) for token in tokens)
    results = await sink.deliver([push(1, targets=targets, tokens=tokens)])
    return sorted((result.device, result.detail or result.status) for result in results)


class Slow(Stub):
    """A provider that needs a while, and counts how many it serves at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    async def send(self, note: Note) -> Answer:
        """Answer a little later."""
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        return await super().send(note)


class Broken(Stub):
    """A provider that answers some devices what its sender does not understand."""

    async def send(self, note: Note) -> Answer:
        """Answer, or fail as no sender should."""
        if note.token.startswith(b"odd"):
            raise ValueError("odd")
        return await super().send(note)


async def test_requests_wait_for_each_other_over_all_lanes() -> None:
    """The circuit is shared."""
    slow, circuit = Slow(), Circuit(3)
    sinks = [EachSink(slow, circuit, timeout=9) for _ in range(2)]
    await asyncio.gather(*(_statuses(sink, *(b"ok:%d" % n for n in range(10))) for sink in sinks))
    assert (slow.most, len(slow.taken)) == (3, 20)
    assert [sink.answers["delivered"] for sink in sinks] == [10, 10]


async def test_waiting_for_room_is_no_fault_of_the_provider() -> None:
    """It may take longer than any request may."""
    circuit = Circuit(1)
    sink = EachSink(Stub(), circuit, timeout=0.01)
    over = asyncio.Event()
    other = asyncio.create_task(circuit.turns.run("x", lambda _: over.wait()))
    await asyncio.sleep(0)
    delivering = asyncio.create_task(_statuses(sink, b"ok:1"))
    await asyncio.sleep(0.05)
    assert not delivering.done()
    over.set()
    await other
    assert await delivering == [("ok:1", "delivered")]


async def test_what_nobody_foresaw_is_the_trouble_of_one_device(caplog: pytest.LogCaptureFixture) -> None:
    """It is tried again, the log says what it was, and the others are served."""
    found = await _statuses(EachSink(Broken(), Circuit(9), timeout=9), b"ok:1", b"odd:1", b"ok:2")
    assert found == [("odd:1", "error"), ("ok:1", "delivered"), ("ok:2", "delivered")]
    assert "ValueError: odd" in caplog.text


def test_breakers_that_are_used_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more providers than are kept, those go that nobody asked about for the longest time."""
    monkeypatch.setattr(each, "_MOST_BREAKERS", 2)
    circuit = Circuit(1)
    first, second = circuit.breaker("first"), circuit.breaker("second")
    assert circuit.breaker("first") is first
    circuit.breaker("third")
    assert circuit.breaker("first") is first
    assert circuit.breaker("second") is not second


async def test_one_provider_that_hangs_is_left_out_alone() -> None:
    """Those beside it are served."""
    sink = EachSink(Stub(), Circuit(100), timeout=0.01)
    for _ in range(FAILURES):
        await _statuses(sink, b"hang:1")
    assert await _statuses(sink, b"hang:1", b"ok:1") == [("hang:1", "circuit-open"), ("ok:1", "delivered")]


async def test_a_provider_that_asks_for_a_pause_gets_it() -> None:
    """From all devices."""
    sink = EachSink(Stub(), Circuit(100), timeout=9)
    assert await _statuses(sink, b"busy:1") == [("busy:1", "stub")]
    assert await _statuses(sink, b"busy:2") == [("busy:2", "circuit-open")]


async def test_what_is_not_admitted_is_not_sent() -> None:
    """It has the answer that it was given."""
    stub = Stub()

    async def admit(notes: Sequence[Note]) -> list[Answer | None]:
        return [Answer("refused", "no") if note.device.startswith("b") else None for note in notes]

    sink = EachSink(stub, Circuit(2), timeout=9, admit=admit)
    assert await _statuses(sink, b"a:1", b"b:1", b"c:1") == [("a:1", "delivered"), ("b:1", "no"), ("c:1", "delivered")]
    assert [note.device for note in stub.taken] == ["a:1", "c:1"]


async def test_what_an_open_circuit_holds_back_uses_up_no_budget() -> None:
    """Nor does what can never be sent: only what goes is asked about."""
    asked: list[str] = []

    async def admit(notes: Sequence[Note]) -> list[Answer | None]:
        asked.extend(note.device for note in notes)
        return [None] * len(notes)

    sink = EachSink(Stub(), Circuit(2), timeout=9, admit=admit)
    for _ in range(FAILURES):
        await _statuses(sink, b"fault:1")
    asked.clear()
    assert await _statuses(sink, b"fault:1", b"ok:1", b"unusable:1") == [
        ("fault:1", "circuit-open"),
        ("ok:1", "delivered"),
        ("unusable:1", "unusable: stub"),
    ]
    assert asked == ["ok:1"]


async def test_a_token_that_cannot_be_used_is_gone() -> None:
    """It is forgotten like one that the provider does not know."""
    sink = EachSink(Stub(), Circuit(2), timeout=9)
    assert await _statuses(sink, b"unusable:1") == [("unusable:1", "unusable: stub")]
    assert sink.answers == {"gone": 1}


def test_breakers_are_kept_for_a_bounded_number_of_providers() -> None:
    """The oldest go."""
    circuit = Circuits().of("webhook", 1)
    first = circuit.breaker("0")
    assert circuit.breaker("0") is first
    for n in range(10_000):
        circuit.breaker(str(n + 1))
    assert circuit.breaker("0") is not first
