"""What `make bench-edge` counts as right, and its last line."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from bench.edge import __main__ as edge
from bench.edge import polls
from bench.edge.holders import Holder
from bench.edge.polls import CONNECTIONS, Askers, Line, is_nothing_new
from bench.edge.pushes import bodies
from bench.edge.sites import Sockets
from bench.plan import Load
from bench.system import BEGIN
from edge.cursor import Cursor, fingerprint
from edge.protocol import Sessions, State
from sinks import wire
from sinks.socket import MAX_NOTES
from streams.envelope import position
from tests.unit.bench.test_crowd import Wire
from tests.unit.edge.doubles import LANES, ME, NOW, FakeLink, note

NOTHING_NEW = b'HTTP/1.1 304 Not Modified\r\nEtag: "1-2"\r\nContent-Length: 5\r\n\r\n'
PAGE = b'HTTP/1.1 200 OK\r\nETag: "1-2"\r\nContent-Length: 5\r\n\r\n{"a":'


@pytest.mark.parametrize(
    ("answer", "right"),
    [(NOTHING_NEW, True), (PAGE, False), (NOTHING_NEW.replace(b"1-2", b"1-3"), False), (b"", False)],
)
def test_only_304_with_the_tag_is_an_answer(answer: bytes, right: bool) -> None:
    """Not a page, another tag, or a connection that ended."""
    assert is_nothing_new(answer.partition(b"\r\n\r\n")[0], b'"1-2"') is right


async def test_an_answer_is_whole_with_its_body_and_304_has_none() -> None:
    """Byte by byte; and a connection that ends gives an empty one."""
    line = Line()
    line.connection_made(Wire())
    for answer in (NOTHING_NEW, PAGE):
        asking = asyncio.ensure_future(line.ask(b"GET"))
        await asyncio.sleep(0)
        for byte in answer:
            assert not asking.done()
            line.data_received(bytes((byte,)))
        assert await asking == answer.partition(b"\r\n\r\n")[0]
    asking = asyncio.ensure_future(line.ask(b"GET"))
    await asyncio.sleep(0)
    line.connection_lost(None)
    assert (await asking, await line.ask(b"GET")) == (b"", b"")


async def test_an_answer_that_does_not_come_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing that comes later is taken for that to the next request."""
    monkeypatch.setattr(polls, "ANSWER_S", 0.01)
    line, wire = Line(), Wire()
    line.connection_made(wire)
    assert await line.ask(b"GET") == b""
    assert wire.aborted
    line.connection_lost(None)
    assert await line.ask(b"GET") == b""


async def test_polls_that_are_not_answered_right_are_counted(tmp_path: Path) -> None:
    """By a server that answers every second poll with a page."""
    answers = [NOTHING_NEW, PAGE] * 5
    ended = asyncio.Semaphore(0)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            with suppress(asyncio.IncompleteReadError):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answers.pop())
        writer.close()
        await writer.wait_closed()
        ended.release()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        askers = Askers([(b"GET /\r\n\r\n", b'"1-2"')])
        await askers.open("127.0.0.1", server.sockets[0].getsockname()[1])
        path = tmp_path / "took.npy"
        found = await askers.poll(1000.0, 10, str(path))
        askers.close()
        for _ in range(CONNECTIONS):
            await ended.acquire()
    assert found["wrong"] == 5
    assert len(np.load(path)) == 10


def test_pushes_of_a_range_go_to_the_devices_in_turn_and_chain() -> None:
    """In bodies as full as a worker's; a device's next push follows its last."""
    load = Load("critical", "run", 300, 0, 0)._replace(start=600, stop=600 + MAX_NOTES + 1)
    made = [(wire.decode_delivery(body), devices) for body, devices in bodies(load, (3, 9))]
    assert [devices for _, devices in made] == [MAX_NOTES, 1]
    assert {(delivery.gateway, delivery.incarnation) for delivery, _ in made} == {(3, 9)}
    notes = [note for delivery, _ in made for note in delivery.notes]
    assert [note.account for note in notes[298:302]] == ["run-298", "run-299", "run-0", "run-1"]
    assert [(note.prev, note.seq) for note in notes[::300]] == [(BEGIN + 2, BEGIN + 3), (BEGIN + 3, BEGIN + 4)]
    assert (notes[0].events, notes[0].targets) == (("e600",), ("tv",))


def test_lanes_stand_right_below_the_first_event_of_ingest() -> None:
    """It is pushed to a device whose positions are the heads that a benchmark wrote, and is no copy there."""
    sessions, link = Sessions(LANES), FakeLink()
    session, _ = sessions.open(ME, Cursor(fingerprint(ME.account), NOW, (BEGIN,) * len(LANES)), link)
    session.state = State.LIVE
    assert sessions.push([note(0, BEGIN, position(1, 0), ME.device)], NOW * 1000) == [wire.TAKEN]
    assert (sessions.counts.delivered, sessions.counts.copies) == (1, 0)


class Silent:
    """Devices that were shown half of what they must be, to be called in the place of their process."""

    def ask(self, **order: object) -> int:
        """Save the pushes to one of the two devices."""
        if order["do"] == "save":
            events = np.arange(0, 4, 2)
            np.save(str(order["path"]), np.array([0 * events, 0 * events, events, events]))
        return 2


def test_pushes_that_no_device_was_shown_are_wrong(tmp_path: Path) -> None:
    """Whatever the gateway answered."""
    holder = Holder("one", 0, "", 0, 0, polls=False)
    assert Sockets(holder, Load("critical", "run", 2, 0, 4), Silent(), tmp_path).judge() == 2


def test_the_last_line_is_of_lockstep_and_leaves_the_first_run_out() -> None:
    """Medians of the others."""
    runs = [{"cpu_us": cpu, "p99_ms": 2.0, "per_s": 1999.6, "per_cpu_s": 9.0} for cpu in (900.0, 30.0, 50.0, 40.0)]
    settled = edge.settled({"lockstep": runs, "other": [run | {"cpu_us": 1.0} for run in runs]})
    found = edge.Found({"lockstep": 2.345, "other": 9.0}, settled, settled, 3)
    assert edge.figures(found) == {
        "idle_kib_per_connection": 2.35, "poll_cpu_us": 40.0, "poll_p99_ms": 2.0, "polls_per_s": 2000,
        "pushes_per_s": 2000, "pushes_per_cpu_s": 9, "wrong": 3,
    }  # fmt: skip
