"""The process that is all providers: those of the tests, which note when they were given which event.

Orders: {do: "open"} -> the variables that tell a worker of them; {do: "tokens", platform, behaviour, number} -> what so
many devices register; {do: "close", platform} -> from now on it refuses connections; {do: "taken"} -> by platform, how
many events it took; {do: "save", platform, path} -> the same, with those of one platform in a file: arrays of number
of the event, and the moment at which it came (monotonic, ns).
"""

from __future__ import annotations

import asyncio
import time
from array import array
from contextlib import AsyncExitStack
from typing import Any

import numpy as np

from bench.child import serve
from streams.settings import Settings
from tests.integration.platforms.all import CASES, variables
from tests.integration.platforms.cases import Seen


class Taken(list[Seen]):
    """What a provider has seen: of each notification only its events, and when they came."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.times = array("q"), array("q")

    def append(self, seen: Seen, /) -> None:
        """A notification came now."""
        for event in seen.content.get("events", ()):
            self.numbers.append(int(event[1:]))
            self.times.append(time.monotonic_ns())


class Providers:
    """All of them."""

    def __init__(self) -> None:
        self._cases = {name: make() for name, make in CASES.items()}
        self._taken = {name: Taken() for name in CASES}
        self._stacks = {name: AsyncExitStack() for name in CASES}

    async def obey(self, order: dict[str, Any]) -> Any:
        """Do what is asked for; the answer."""
        match order["do"]:
            case "open":
                return await self._open()
            case "tokens":
                case = self._cases[order["platform"]]
                behaviour = order["behaviour"]
                return [case.token(behaviour).decode() for _ in range(order["number"])]
            case "close":
                await self._stacks[order["platform"]].aclose()
            case "save":
                taken = self._taken[order["platform"]]
                np.save(order["path"], np.array([taken.numbers, taken.times], np.int64))
        return {name: len(taken.numbers) for name, taken in self._taken.items()}

    async def _open(self) -> dict[str, str]:
        settings = Settings()
        for name, case in self._cases.items():
            case.seen = self._taken[name]
            settings = await case.open(self._stacks[name], settings)
        return variables(settings)

    async def close(self) -> None:
        """End all that is still open."""
        for stack in self._stacks.values():
            await stack.aclose()


async def main() -> None:
    """Take orders until there are no more."""
    providers = Providers()
    try:
        await serve(providers.obey)
    finally:
        await providers.close()


if __name__ == "__main__":
    asyncio.run(main())
