"""Opens sealed tokens for the sink of a platform: nobody between registration and here has them in clear."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from sinks.results import Result, Sink
from sinks.seal import Seal, Sealed
from streams.envelope import Push

#: So many troubles are logged: what names the key is the device's own text where nothing is sealed.
MOST_TOLD: Final = 100
log = logging.getLogger(__name__)


class Opening:
    """A sink behind which the tokens are as devices registered them. What follows from results has them as kept."""

    def __init__(self, sink: Sink, seal: Seal) -> None:
        self._sink = sink
        self._seal = seal
        self._told: set[str] = set()  # each trouble is logged once

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Refused for a device whose token cannot be opened: it is kept, for a worker that has the key."""
        refused: list[Result] = []
        opened = [self._open(number, push, refused) for number, push in enumerate(pushes)]
        return [*await self._sink.deliver(opened), *refused]

    def _open(self, number: int, push: Push, refused: list[Result]) -> Push:
        targets, tokens = [], []
        for target, token in zip(push.targets, push.tokens, strict=True):
            try:
                tokens.append(self._seal.open(push.account, target[0], token))
            except Sealed as error:
                self._tell(str(error))
                refused.append(Result(number, target[0], "refused", f"sealed: {error}"))
            else:
                targets.append(target)
        return msgspec.structs.replace(push, targets=tuple(targets), tokens=tuple(tokens))

    def _tell(self, what: str) -> None:
        if what not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(what)
            log.error("devices are not woken: %s", what)
