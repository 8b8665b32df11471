"""Searches through the console's API, each checked and timed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import aiohttp

from bench.console.fill import account_of, device_of, event_of

SEARCHES: Final = 50  # of each kind
_PATIENCE_S: Final = 3600.0


class Found(NamedTuple):
    """What searches of one kind took, ms, and how many did not find what is there."""

    took: list[float]
    wrong: int


class Client:
    """An operator's session."""

    def __init__(self, client: aiohttp.ClientSession, url: str) -> None:
        self._client = client
        self._url = url + "/api/v1/"

    async def sign_in(self, token: str) -> None:
        """Raises aiohttp.ClientResponseError."""
        own = {"Sec-Fetch-Site": "same-origin"}
        async with self._client.post(self._url + "session", json={"token": token}, headers=own) as answer:
            answer.raise_for_status()

    async def search(self, text: str) -> dict[str, Any]:
        """Raises aiohttp.ClientResponseError."""
        async with self._client.get(self._url + "search", params={"q": text}) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def covered(self, since: int) -> float:
        """Wait until the index covers what was appended up to `since`, ms, and is not behind; the clock then."""
        deadline = time.perf_counter() + _PATIENCE_S
        while True:
            index = (await self.search("nothing-of-this-name"))["index"]
            if not index["trouble"] and not index["behind"] and index["bytes"] >= 0 and index["from"] <= since:
                return time.perf_counter()
            if time.perf_counter() > deadline:
                raise TimeoutError(f"the index is not there yet: {index}")
            await asyncio.sleep(0.2)


async def timed(client: Client, events: int, accounts: int, seed: int) -> dict[str, Found]:
    """Look for events, accounts and devices from everywhere in the load."""
    chance = random.Random(seed)
    names = [account_of(chance.randrange(min(accounts, events))) for _ in range(SEARCHES)]
    ids = [event_of(chance.randrange(events)) for _ in range(SEARCHES)]
    return {
        "event": await _all(client, ids, lambda text, hit: hit["kind"] == "event" and hit["id"] == text),
        "account": await _all(client, names, lambda text, hit: hit["kind"] == "account" and hit["account"] == text),
        "device": await _all(
            client,
            [device_of(name) for name in names],
            lambda text, hit: hit["kind"] == "device" and device_of(hit["account"]) == text,
        ),
    }


async def _all(client: Client, texts: list[str], right: Callable[[str, dict[str, Any]], bool]) -> Found:
    took, wrong = [], 0
    for text in texts:
        began = time.perf_counter()
        found = await client.search(text)
        took.append(1000 * (time.perf_counter() - began))
        hits = found["hits"]
        wrong += not (len(hits) == 1 and found["whole"] and right(text, hits[0]))
    return Found(took, wrong)
