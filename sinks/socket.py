"""The sink for sockets: one POST per gateway and batch, all gateways at once, a status for each device."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
import msgspec

from sinks import redis, wire
from sinks.gateways import Gateways, connect_gateways
from sinks.parcels import Gateway, Parcel, parcels
from sinks.presence import Presence, Registration
from sinks.push import Result, Sink
from sinks.redis import RedisUnavailable
from streams.envelope import Push
from streams.settings import Settings
from streams.stage import Stage

#: A gateway answers in milliseconds; one that is silent this long is left out for a while, so that it holds up nobody.
TIMEOUT_S: Final = 2.0
SILENCE_S: Final = 5.0
AWAY: Final = "gateway-away"
_BUSY: Final = (429, 503)
_HEADERS: Final = {"Content-Type": wire.CONTENT_TYPE}
log = logging.getLogger(__name__)


@asynccontextmanager
async def connect_http(_: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections to gateways, kept open."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        yield session


async def sink(stage: Stage) -> Sink:
    """The sink of the platform `socket`."""
    presence = Presence(await stage.resources.get(redis.connect))
    gateways = await stage.resources.get(connect_gateways)
    return SocketSink(await stage.resources.get(connect_http), gateways, presence)


class SocketSink:
    """Posts to gateways. Nothing is tried again: a device that was missed reads its inbox."""

    def __init__(self, http: aiohttp.ClientSession, gateways: Gateways, presence: Presence) -> None:
        self.posts = 0
        self.statuses: Counter[str] = Counter()  # results by status, or why there was none
        self.forgotten = 0  # presence entries that were removed
        self._http = http
        self._gateways = gateways
        self._presence = presence
        self._silent: dict[Gateway, float] = {}  # until when each is left out, loop time

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Deliver to all gateways at once; the failure of one is no other's."""
        sorted_ = parcels(pushes)
        await self._learn(sorted_)
        answers = await asyncio.gather(*(self._serve(gateway, own, pushes) for gateway, own in sorted_.items()))
        results = [result for found, _ in answers for result in found]
        self.statuses.update(result.detail or result.status for result in results)
        await self._forget([registration for _, gone in answers for registration in gone])
        return results

    async def _learn(self, wanted: Iterable[Gateway]) -> None:
        """A gateway that opened since the view was read may already hold devices."""
        if any(gateway.number not in self._gateways.incarnations for gateway in wanted):
            with suppress(RedisUnavailable):
                await self._gateways.refresh()

    async def _serve(
        self, gateway: Gateway, own: Sequence[Parcel], pushes: Sequence[Push]
    ) -> tuple[list[Result], list[Registration]]:
        results: list[Result] = []
        gone: list[Registration] = []
        failure = ""
        for parcel in own:
            answer = failure or await self._post(gateway, parcel)
            if isinstance(answer, str):
                failure = answer
                results += parcel.failed(failure)
            else:
                results += parcel.results(answer)
                gone += parcel.gone(answer, pushes)
        return results, gone

    async def _post(self, gateway: Gateway, parcel: Parcel) -> list[int] | str:
        """The statuses of the parcel's devices, or why there are none."""
        place = self._gateways.address(gateway.number)
        if place is None or place.incarnation != gateway.incarnation or self._is_silent(gateway):
            return AWAY
        url = f"http://{place.address}{wire.PATH}"
        body = wire.encode_delivery(parcel.delivery(gateway))
        for last in (False, True):
            try:
                return await self._exchange(url, body, len(parcel.recipients))
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

    async def _forget(self, gone: Sequence[Registration]) -> None:
        """Remove presence that no gateway answers for; where a newer connection stands, it stays."""
        try:
            self.forgotten += sum(await self._presence.remove_all(gone))
        except RedisUnavailable as error:
            log.warning("presence of %d devices that are gone stays for now: %s", len(gone), error)

    async def _exchange(self, url: str, body: bytes, devices: int) -> list[int] | str:
        self.posts += 1
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
