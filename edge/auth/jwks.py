"""Public keys from an address: fetched at the start, then as long as they may be kept, or when a key is not known."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

import aiohttp
from yarl import URL

from edge.auth.tokens import BadKeys, Verifier

#: Keys are kept for as long as the answer's max-age says, within these bounds, s.
LEAST_S: Final = 60.0
USUAL_S: Final = 300.0
MOST_S: Final = 3600.0
#: Time between two fetches for keys that are not known, s: who makes tokens up must not make us ask.
UNKNOWN_S: Final = 30.0
_LOOK_S: Final = 1.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0)
_MAX_AGE: Final = re.compile(r"\bmax-age=(\d{1,9})\b")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
log = logging.getLogger(__name__)


class RemoteKeys:
    """Keeps a verifier's keys those of an address. Keys that were good stay while it cannot be reached."""

    def __init__(self, address: str, verifier: Verifier) -> None:
        self._url = URL(address)
        self._verifier = verifier
        self._known = 0  # strangers that were there when the keys were last fetched
        self.fetches = 0
        if self._url.scheme != "https" and self._url.host not in _LOCAL:
            raise BadKeys(f"{address}: keys come over https only")

    async def fetch(self) -> float:
        """Fetch once; gives for how long the keys may be kept, s. Raises BadKeys."""
        self.fetches += 1
        self._known = self._verifier.strangers
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                http.get(self._url, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise BadKeys(f"{self._url}: answered {response.status}")
                text = await response.read()
                age = _MAX_AGE.search(response.headers.get("Cache-Control", ""))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BadKeys(f"{self._url}: cannot be fetched: {error or type(error).__name__}") from error
        self._verifier.use(text)
        return min(max(float(age[1]), LEAST_S), MOST_S) if age else USUAL_S

    async def run(self, kept: float) -> None:
        """Fetch again, time after time, until cancelled; `kept`: for how long those of now may be kept, s."""
        loop = asyncio.get_running_loop()
        fetched = loop.time()
        while True:
            await asyncio.sleep(_LOOK_S)
            age = loop.time() - fetched
            unknown = self._verifier.strangers > self._known and age >= UNKNOWN_S
            if age < kept and not unknown:
                continue
            fetched = loop.time()
            try:
                kept = await self.fetch()
            except BadKeys as error:
                kept = LEAST_S
                log.warning("the keys stay as they were: %s", error)
