"""Which host coordinates a partition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sinks.ring import Ring


@dataclass(frozen=True)
class Host:
    """A host as the driver sees it."""

    name: str
    datacenter: str = "here"
    is_up: bool | None = True


@dataclass(frozen=True)
class Token:
    """A place on the ring."""

    value: int


class TokenMap:
    """Replicas by token."""

    def __init__(self, replicas: dict[int, list[Host]]) -> None:
        self.ring = [Token(value) for value in sorted(replicas)]
        self._replicas = replicas

    def get_replicas(self, _: str, token: Token) -> list[Host]:
        """Of the range that ends at the token."""
        return self._replicas[token.value]


@dataclass
class Metadata:
    """What the driver knows of the cluster."""

    token_map: Any


A, B, FAR, DOWN = Host("a"), Host("b"), Host("far", "there"), Host("down", is_up=False)


def test_a_range_ends_at_its_token_and_the_last_wraps() -> None:
    """As Cassandra places rows."""
    ring = Ring(Metadata(TokenMap({-10: [A], 10: [B]})), "ks", "here")
    assert [ring.coordinator(t) for t in (-11, -10, -9, 10, 11)] == [A, A, B, B, A]


def test_hosts_that_are_far_or_down_do_not_coordinate() -> None:
    """Unless nobody else is left, which the driver's own path finds out."""
    assert Ring(Metadata(TokenMap({0: [FAR, DOWN, B]})), "ks", "here").coordinator(0) == B
    assert Ring(Metadata(TokenMap({0: [FAR, DOWN]})), "ks", "here").coordinator(0) is None


def test_a_new_ring_is_learned() -> None:
    """Hosts come and go."""
    metadata = Metadata(None)
    ring = Ring(metadata, "ks", "here")
    assert ring.coordinator(0) is None
    metadata.token_map = TokenMap({0: [A]})
    assert ring.coordinator(0) == A
    metadata.token_map = TokenMap({0: [B]})
    assert ring.coordinator(0) == B
