"""The guard against requests to where they must not go: addresses that devices name lead into the open net only."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from sinks.each import Blocked
from sinks.http import open_session
from streams.settings import Settings

_CACHED: Final = 10_000
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: All of IPv6 that is routed (RFC 4291); the rest is of machines, links and sites.
_GLOBAL: Final = IPv6Network("2000::/3")
Address = IPv4Address | IPv6Address


class Guard(AbstractResolver):
    """Resolves names for connections, which then go to the very addresses that were checked."""

    def __init__(self, allow: tuple[str, ...], networks: tuple[str, ...]) -> None:
        """`allow`: `scheme:port` each. `networks`: those that may be called though they are not of the open net."""
        self._allow = frozenset(allow)
        self._networks = tuple(ip_network(network) for network in networks)
        self.url = lru_cache(maxsize=_CACHED)(self._url)

    def _url(self, text: str) -> URL:
        """The address, if scheme, port and, where it stands there, the IP address are allowed. Raises Blocked."""
        try:
            url = URL(text, encoded=True)
            host = url.host or ""
        except ValueError as error:  # UnicodeError too, for a name that IDNA does not know
            raise Blocked("the host is no name") from error
        if f"{url.scheme}:{url.port}" not in self._allow:
            raise Blocked(f"{url.scheme} to port {url.port} is not allowed")
        try:
            literal = ip_address(host)
        except ValueError:
            if host.replace(".", "").isdigit():  # such as 127.1, which resolvers take for an address
                raise Blocked("the host is a number that is no address") from None
            return url
        self.check(literal)
        return url

    def check(self, address: Address) -> None:
        """Raise Blocked for an address that is not of the open net."""
        if any(address in network for network in self._networks if network.version == address.version):
            return
        inner = _inner(address)
        if not inner.is_global or inner.is_multicast or inner.is_reserved or _is_site(inner):
            raise Blocked("the address is not of the open net")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host, all of them allowed. Raises Blocked and OSError."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        except UnicodeError as error:  # a label that is empty or too long
            raise Blocked("the host is no name") from error
        for *_, (name, *_) in found:
            self.check(ip_address(str(name).partition("%")[0]))
        return [
            ResolveResult(
                hostname=host, host=str(at[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for kind, _, proto, _, at in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_site(address: Address) -> bool:
    return isinstance(address, IPv6Address) and address not in _GLOBAL


class Outside:
    """HTTP to addresses that devices named."""

    def __init__(self, session: aiohttp.ClientSession, guard: Guard) -> None:
        self.session = session
        self.guard = guard


def tls(authorities: str) -> ssl.SSLContext:
    """TLS that trusts the machine's authorities, or those of a file instead."""
    return ssl.create_default_context(cafile=authorities or None)


@asynccontextmanager
async def connect_outside(settings: Settings) -> AsyncIterator[Outside]:
    """Connections to the open net, kept open; as many to one host as are asked for."""
    guard = Guard(settings.egress.allow, settings.egress.networks)
    connector = aiohttp.TCPConnector(
        limit=0, resolver=guard, ttl_dns_cache=60, ssl=tls(settings.egress.authorities), family=socket.AF_UNSPEC
    )
    async with open_session(connector) as session:
        yield Outside(session, guard)
