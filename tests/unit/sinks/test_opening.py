"""The sink of a platform gets tokens in clear; a device whose token cannot be opened is refused, and not forgotten."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

import pytest

from sinks.opening import MOST_TOLD, Opening
from sinks.results import Result
from sinks.seal import Seal, fresh_key
from streams.envelope import Push
from tests.unit.sinks.make import push

OLD, NEW = (json.loads(fresh_key(name)) for name in ("old", "new"))


class FakeSink:
    """Takes everything, and remembers it."""

    def __init__(self) -> None:
        self.taken: list[tuple[tuple[str, bytes], ...]] = []

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Delivered."""
        self.taken += [tuple((t[0], token) for t, token in zip(p.targets, p.tokens, strict=True)) for p in pushes]
        return [Result(n, target[0], "delivered") for n, p in enumerate(pushes) for target in p.targets]


def seal(*keys: object) -> Seal:
    """With these keys."""
    return Seal(json.dumps({"keys": keys}))


async def test_tokens_are_opened_for_the_sink_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Results are of the pushes as they came; those still have their tokens sealed, for what follows."""
    kept = {name: seal(OLD).seal("anna", name, f"token-{name}").encode() for name in ("a", "b")}
    closed = seal({**NEW, "kid": "lost"}).seal("anna", "c", "token-c").encode()
    targets = tuple((name, 0, 0, 0) for name in ("a", "c", "clear"))
    pushes = [
        push(1, targets=targets, tokens=(kept["a"], closed, b"in clear")),
        push(2, targets=(("b", 0, 0, 0),), tokens=(kept["b"],)),
        push(3, targets=(("c", 0, 0, 0),), tokens=(closed,)),
    ]
    sink = FakeSink()
    opening = Opening(sink, seal(NEW, OLD))
    with caplog.at_level(logging.ERROR):
        results = await opening.deliver(pushes)
    assert sink.taken == [(("a", b"token-a"), ("clear", b"in clear")), (("b", b"token-b"),), ()]
    assert {(result.push, result.device): result.status for result in results} == {
        (0, "a"): "delivered", (0, "clear"): "delivered", (0, "c"): "refused",
        (1, "b"): "delivered", (2, "c"): "refused",
    }  # fmt: skip
    assert {result.detail for result in results if result.device == "c"} == {
        "sealed: the key 'lost' that sealed the token is not in LOCKSTEP_REGISTRY__TOKEN_KEYS"
    }
    assert len(caplog.records) == 1
    assert pushes[0].tokens == (kept["a"], closed, b"in clear")
    assert await opening.deliver([]) == []


async def test_only_so_many_troubles_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing is sealed, whoever registers tokens of that form makes one with each."""
    opening = Opening(FakeSink(), Seal(""))
    forged = [push(n, targets=(("a", 0, 0, 0),), tokens=(b"sealed.%d.x" % n,)) for n in range(MOST_TOLD + 1)]
    for _ in range(2):
        results = await opening.deliver(forged)
        assert {result.status for result in results} == {"refused"}
    assert len(caplog.records) == MOST_TOLD
