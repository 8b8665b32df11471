"""The stub, which needs no provider."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest

from sinks import stub
from sinks.content import message
from sinks.each import Answer, Note
from streams.settings import Settings
from tests.integration.platforms.cases import PAUSE_S, TIMEOUT_S, Case, Seen


class Stubs(Case):
    """The platform `stub`: what it takes is read as a device would read it."""

    name = "stub"
    refusal = "stub"

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._patch = patch

    async def open(self, stack: AsyncExitStack, settings: Settings) -> Settings:
        """Nothing to start; what is taken is read."""
        case = self

        class Reading(stub.Stub):
            async def send(self, note: Note) -> Answer:
                answer = await super().send(note)
                if answer.status == "delivered":
                    case.seen.append(Seen(json.loads(message(note.push, "high", 4096)), {}))
                return answer

        self._patch.setattr(stub, "Stub", Reading)
        self._patch.setattr(stub, "TIMEOUT_S", TIMEOUT_S)
        self._patch.setitem(stub.ANSWERS, "busy", Answer("later", "stub", after=PAUSE_S * 1000))
        return settings

    def token(self, behaviour: str) -> bytes:
        """They say what it does."""
        return behaviour.encode() + b":1"
