"""What a sink is, what it says of each device, and what may follow from that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

import msgspec

from streams.envelope import Push
from streams.outcomes import Kind
from streams.stage import Stage

#: delivered: taken for the device; gone: it is not there any more, forget the way to it; later: try again, where the
#: platform has a retry topic; refused: never for this device.
Status = Literal["delivered", "gone", "later", "refused"]


class Result(msgspec.Struct, frozen=True, gc=False):
    """What became of a push for one targeted device; `push` is its place in what was handed over.

    later: not before `after` ms from now; not `tried`: the provider was not asked; `sync`: as an empty wake-up.
    gone: the provider knows it since `at`, ms since 1970, 0 where it does not say.
    """

    push: int
    device: str
    status: Status
    detail: str = ""
    after: int = 0
    tried: bool = True
    sync: bool = False
    at: int = 0


class Sink(Protocol):
    """The way to one platform."""

    async def deliver(self, pushes: Sequence[Push]) -> list[Result]:
        """Try to deliver, once; one result for each target of each push, in any order. Never raises for a device."""


class Aftermath(Protocol):
    """What follows from the results of a sink."""

    @property
    def delivered(self) -> Kind:
        """What may be said of a device that the platform took a push for."""

    async def settle(self, partition: int, pushes: Sequence[Push], results: Sequence[Result]) -> Sequence[Result]:
        """Have pushes tried again, devices forgotten; the results as they are to be reported."""


#: Makes the sink of a platform; named in topics.yaml by its dotted path.
SinkFactory = Callable[[Stage], Awaitable[Sink]]
