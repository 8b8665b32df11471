"""GET flow, and flow/stream: the samples as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import msgspec
from aiohttp import hdrs, web

from edge.console.answers import NO_STORE, as_json
from edge.console.door import API, Door
from edge.console.flow.sampler import Sampler
from edge.problems import Problem

#: Pages that look at once.
MOST: Final = 100


class Flow:
    """What the sampler sees, for pages."""

    def __init__(self, sampler: Sampler, door: Door) -> None:
        self._sampler = sampler
        self._door = door
        self._open = 0

    def routes(self) -> list[web.RouteDef]:
        """For the application of the console."""
        return [web.get(API + "flow", self.one), web.get(API + "flow/stream", self.stream)]

    async def one(self, request: web.Request) -> web.Response:
        """The next sample."""
        self._door.asked(request, "read")
        async with self._place(), aclosing(self._sampler.samples()) as samples:
            async for sample in samples:
                return as_json(sample)
        raise _closing()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Every sample, for as long as the session lasts; looking is no use of it."""
        self._door.asked(request, "read")
        async with self._place(), aclosing(self._sampler.samples()) as samples:
            headers = {hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: NO_STORE, "X-Accel-Buffering": "no"}
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            async for sample in samples:
                if not self._door.stands(request):
                    break
                await response.write(b"data: %b\n\n" % msgspec.json.encode(sample))
        return response

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Raises Problem."""
        if self._open >= MOST:
            raise Problem(503, "busy", "Too many pages look at once", f"at most {MOST}")
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1


def _closing() -> Problem:
    return Problem(503, "closing", "The console is being stopped", "try again")
