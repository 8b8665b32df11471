"""The sink of a platform that does not exist: what it answers is written in the token, for tests, load and demos."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from sinks.each import DELIVERED, Answer, EachSink, Note, Unusable, connect_circuits
from sinks.results import Sink
from streams.stage import Stage

AT_ONCE: Final = 500
TIMEOUT_S: Final = 2.0
#: What a token of this name is answered; one of any other name is delivered to.
ANSWERS: Final = {
    "gone": Answer("gone", "stub", at=1),
    "later": Answer("later", "stub", after=100),
    "busy": Answer("later", "stub", after=100, trouble="busy"),
    "fault": Answer("later", "stub", trouble="fault"),
    "refused": Answer("refused", "stub"),
}
_KEPT: Final = 10_000


async def sink(stage: Stage) -> Sink:
    """The sink of a platform that is to be the stub."""
    circuit = (await stage.resources.get(connect_circuits)).of(stage.platform or "", AT_ONCE)
    return EachSink(Stub(), circuit, timeout=TIMEOUT_S)


class Stub:
    """Takes everything but for tokens that begin with a name of ANSWERS, with `hang` or with `unusable`.

    `taken` has the newest notes that it took.
    """

    def __init__(self) -> None:
        self.taken: deque[Note] = deque(maxlen=_KEPT)

    def provider(self, note: Note) -> str:
        """The token's name: each behaves as a provider of its own."""
        name = _name(note)
        if name == "unusable":
            raise Unusable("stub")
        return name

    async def send(self, note: Note) -> Answer:
        """Answer as the token says."""
        name = _name(note)
        if name == "hang":
            await asyncio.sleep(3600)
        answer = ANSWERS.get(name, DELIVERED)
        if answer is DELIVERED:
            self.taken.append(note)
        return answer


def _name(note: Note) -> str:
    return note.token.partition(b":")[0].decode(errors="replace")
