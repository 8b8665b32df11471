"""The view of the gateways, of a Redis in which somebody else wrote."""

from __future__ import annotations

from typing import Any, cast

import pytest

from sinks.gateways import GatewayAddress, Gateways
from sinks.redis import command


class FakeRedis:
    """Answers each command with what stands for it."""

    def __init__(self, replies: dict[bytes, Any]) -> None:
        self._replies = replies

    async def call(self, *commands: bytes) -> list[Any]:
        """The replies."""
        return [self._replies.get(each) for each in commands]


async def test_what_no_gateway_wrote_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """One odd value does not end the view of all others."""
    leases = {b"1": b"7 host:1", b"2": b"nonsense", b"3": b"\xff host:3", b"4": None}
    replies: dict[bytes, Any] = {command(b"GET", b"gw:{%b}" % number): lease for number, lease in leases.items()}
    replies[command(b"ZRANGE", b"gateways", b"0", b"-1")] = [b"odd", *leases]
    view = Gateways(cast(Any, FakeRedis(replies)))
    await view.refresh()
    assert view.incarnations == {1: 7, 2: None, 3: None, 4: None}
    assert (view.address(1), view.address(2)) == (GatewayAddress(7, "host:1"), None)
    assert [text in caplog.text for text in ("b'odd'", "b'nonsense'", "xff host:3")] == [True, True, True]
