"""Addresses that devices named and that no request can be made of: each is blocked, none harms the worker."""

from __future__ import annotations

import socket

import pytest

from sinks.each import Blocked
from sinks.guard import Guard

GUARD = Guard(("https:443",), ())


@pytest.mark.parametrize(
    "url",
    [
        "https://xn--a/",
        "https://xn--/",
        "https://xn--zz--/",
        "https://xn--a-ecp.ru/",
        "https://a\\b/",
        "https://[fe80::1]x/",
    ],
)
def test_a_host_that_is_no_name_is_blocked(url: str) -> None:
    """Names that IDNA does not know, and what no parser takes."""
    with pytest.raises(Blocked, match="the host is no name"):
        GUARD.url(url)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example", ".example"])
async def test_a_host_that_no_resolver_takes_is_blocked(host: str) -> None:
    """An empty label, or one that is too long: asking for it is no OSError."""
    assert GUARD.url(f"https://{host}/").host == host
    with pytest.raises(Blocked, match="the host is no name"):
        await GUARD.resolve(host, 443, socket.AF_UNSPEC)
