"""A process of devices that come back: each holds a socket at one of several gateways, and another one when that ends.

They do what the page for devices says: the newest cursor is presented, and before each try a random part of a time
passes that doubles. Whoever lost a gateway goes to any other, as a load balancer would send it.

Orders: {do: "gather", places, keys, load, part, parts} -> how many are live; {do: "count"} -> {live, lost, shown};
{do: "save", path} -> the same, with a file: `arrivals` as those of `bench.crowd`, `accepts` the moments at which a
gateway had accepted a connection, `returns` device and moment where one was live again (monotonic, ns).
"""

from __future__ import annotations

import asyncio
import random
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic_ns
from typing import Any, Final

import numpy as np

from bench.child import serve_beside
from bench.crowd import LIFE_S, LIVE_S, Crowd, Device
from bench.plan import Load
from edge.auth.tokens import issue
from streams.settings import Tokens

#: Time within which the first try to come back is made, and the longest for later ones, s.
FIRST_S: Final = 1.0
LONGEST_S: Final = 30.0
#: A connection that is not live after so long is given up, s.
PATIENCE_S: Final = 15.0
Place = tuple[str, int]


class Homing(Device):
    """A device that comes back."""

    def __init__(self, number: int, token: str, flock: Flock) -> None:
        super().__init__((number, 0), token, flock.arrivals)
        self._number = number
        self._flock = flock
        self._at = number % len(flock.places)
        self._tries = 0
        self._late: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_live = False

    def go(self) -> None:
        """Try to connect."""
        self._task = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, *self._flock.places[self._at])
        except OSError:
            self._again()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._late = asyncio.get_running_loop().call_later(PATIENCE_S, self._give_up)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Come back, elsewhere."""
        self._transport = None
        self._in_time()
        self._flock.lost += self.is_live
        self.is_live = False
        self._again()

    def upgraded(self) -> None:
        """A gateway has accepted it."""
        self._flock.accepts.append(monotonic_ns())

    def synced(self) -> None:
        """Live."""
        self._in_time()
        self._tries = 0
        if not self.is_live:
            self.is_live = True
            self._flock.returns.extend((self._number, monotonic_ns()))
        super().synced()

    def _again(self) -> None:
        self._at = random.choice([place for place in range(len(self._flock.places)) if place != self._at])
        asyncio.get_running_loop().call_later(wait_before(self._tries), self.go)
        self._tries += 1

    def _give_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()


def wait_before(tries: int) -> float:
    """Seconds before a try, after so many in vain: a random part of a time that doubles."""
    return random.uniform(0.0, min(LONGEST_S, FIRST_S * 2.0**tries))


class Flock(Crowd):
    """The devices of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Sequence[Place] = ()
        self.lost = 0
        self.accepts = array("q")
        self.returns = array("q")
        self._homing: list[Homing] = []

    async def gather(self, places: Sequence[Place], keys: str, load: Load, part: int, parts: int) -> int:
        """Connect one part of a load's devices (`members`), in turn one at each gateway; how many there are.

        Raises TimeoutError where one is not live in time.
        """
        self.places = places
        names = load.names()
        for number in members(load.accounts, len(places), part, parts):
            self._homing.append(Homing(number, issue(Path(keys), Tokens(), "tv", names[number], "tv", LIFE_S), self))
        self._devices.extend(self._homing)
        await asyncio.gather(*(self._first(device) for device in self._homing))
        self.returns = array("q")
        return len(self._homing)

    async def _first(self, device: Homing) -> None:
        async with self._gate:
            device.go()
            async with asyncio.timeout(LIVE_S):
                await device.live

    def count(self) -> dict[str, int]:
        """Devices that are live now, sockets that were lost so far, and events shown."""
        live = sum(device.is_live for device in self._homing)
        return {"live": live, "lost": self.lost, "shown": len(self.arrivals.numbers)}

    def save(self, path: str) -> None:
        """Write all to a file."""
        returns = np.array(self.returns, np.int64).reshape(-1, 2)
        np.savez(path, arrivals=self.arrivals.table(), accepts=np.array(self.accepts, np.int64), returns=returns)


def members(devices: int, places: int, part: int, parts: int) -> Iterator[int]:
    """The devices of one part of so many: all of the first place are one part, so that no others share its process."""
    for number in range(devices):
        of = 1 + number // places % (parts - 1) if number % places else 0
        if of == part:
            yield number


async def main() -> None:
    """Take orders until there are no more."""
    flock = Flock()
    await serve_beside(flock.ack_in_time(), partial(_obey, flock))


async def _obey(flock: Flock, order: dict[str, Any]) -> Any:
    if order["do"] == "gather":
        places = [(host, port) for host, port in order["places"]]
        return await flock.gather(places, order["keys"], Load(*order["load"]), order["part"], order["parts"])
    if order["do"] == "save":
        flock.save(order["path"])
    return flock.count()


if __name__ == "__main__":
    asyncio.run(main())
