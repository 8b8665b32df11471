"""POSTs to the internal ports of gateways: where each is, which are silent, what an answer means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import aiohttp
import msgspec

from sinks import wire
from sinks.gateways import Gateways
from streams.settings import Settings

#: A gateway answers in milliseconds; one that is silent this long is left out for a while, so that it holds up nobody.
TIMEOUT_S: Final = 2.0
SILENCE_S: Final = 5.0
AWAY: Final = "gateway-away"
_BUSY: Final = (429, 503)
_HEADERS: Final = {"Content-Type": wire.CONTENT_TYPE}
log = logging.getLogger(__name__)


class Gateway(NamedTuple):
    """One life of a gateway."""

    number: int
    incarnation: int


@asynccontextmanager
async def connect_http(_: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to gateways, kept open."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        yield session


class Posts:
    """Posts bodies to gateways, each at most twice. Nothing is raised for a gateway that is away."""

    def __init__(self, http: aiohttp.ClientSession, gateways: Gateways) -> None:
        self.sent = 0
        self._http = http
        self._gateways = gateways
        self._silent: dict[Gateway, float] = {}  # until when each is left out, loop time

    async def send(self, gateway: Gateway, body: bytes, devices: int) -> list[int] | str:
        """The statuses of the devices that the body is for, or why there are none."""
        place = self._gateways.address(gateway.number)
        if place is None or place.incarnation != gateway.incarnation or self._is_silent(gateway):
            return AWAY
        url = f"http://{place.address}{wire.PATH}"
        for last in (False, True):
            try:
                return await self._exchange(url, body, devices)
            except TimeoutError:
                self._silent[gateway] = asyncio.get_running_loop().time() + SILENCE_S
                log.warning("gateway %d at %s is silent, left out for %g s", gateway.number, url, SILENCE_S)
                break
            except (aiohttp.ClientError, OSError) as error:
                # an idle connection may be closed just as this leaves; what arrives twice is dropped as a copy
                if last or not isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
                    log.warning("no push to gateway %d at %s: %s", gateway.number, url, error)
                    break
        return AWAY

    def _is_silent(self, gateway: Gateway) -> bool:
        until = self._silent.get(gateway)
        if until is None:
            return False
        if asyncio.get_running_loop().time() < until:
            return True
        del self._silent[gateway]
        return False

    async def _exchange(self, url: str, body: bytes, devices: int) -> list[int] | str:
        self.sent += 1
        async with self._http.post(url, data=body, headers=_HEADERS) as response:
            answer = await response.read()
            if response.status in _BUSY:
                return "rate"
            if response.status == wire.MISDIRECTED:
                return AWAY
            if response.status != 200:
                log.error("gateway at %s answered %d", url, response.status)
                return AWAY
        try:
            statuses = wire.decode_statuses(answer)
        except msgspec.MsgspecError:
            statuses = []
        if len(statuses) != devices:
            log.error("gateway at %s gave no status for each of %d devices", url, devices)
            return AWAY
        return statuses
