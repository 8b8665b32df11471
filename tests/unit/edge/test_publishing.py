"""The sender of the command line: what it cannot print ends it, and never holds it up."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any, cast

import click
import pytest

from edge.cli import publishing
from edge.cli.publishing import Sender
from edge.ingest.outgoing import outgoing
from streams.transport.client import Placed

EVENT = outgoing({"subject": "alice", "type": "t"}, False, "e", "2026-11-28T00:00:00Z")


class Kafka:
    """Takes every record at once."""

    def submit(self, *_: object) -> Future[Placed]:
        """One more."""
        placed: Future[Placed] = Future()
        placed.set_result((7, 47))
        return placed


def test_each_place_is_printed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each event."""
    sender = Sender(cast(Any, Kafka()), "ingest")
    sender.send(EVENT)
    sender.send(EVENT)
    sender.finish()
    assert capsys.readouterr().out == '{"id":"e","account":"alice","partition":7,"offset":47}\n' * 2


def test_a_reader_that_has_gone_ends_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `lockstep send --file events | head -1` has it, however many events follow."""

    def gone(_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(click, "echo", gone)
    monkeypatch.setattr(publishing, "_IN_FLIGHT", 2)
    sender = Sender(cast(Any, Kafka()), "ingest")

    def send_many() -> None:
        for _ in range(1000):
            sender.send(EVENT)

    for act in (send_many, sender.finish):
        with pytest.raises(BrokenPipeError):
            act()
