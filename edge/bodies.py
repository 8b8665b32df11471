"""Bodies of requests, read within a size and a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

from edge.problems import Problem

#: A body that is not whole after so long (s) is given up: who sends it holds memory here.
BODY_S: Final = 15.0


async def read_body(request: web.Request, most: int) -> bytes:
    """The body, decompressed. Raises Problem for one that is longer than `most` bytes, too slow, or garbled."""
    body = bytearray()
    if (request.content_length or 0) > most:
        raise _too_large(most)
    async with _reading():
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > most:
                raise _too_large(most)
    return bytes(body)


async def read_small(request: web.Request) -> bytes:
    """The body of a request whose size the application limits. Raises Problem for one that is too slow, or garbled."""
    async with _reading():
        return await request.read()


@asynccontextmanager
async def _reading() -> AsyncIterator[None]:
    """Give up a body in time. Raises Problem."""
    try:
        async with asyncio.timeout(BODY_S):
            yield
    except TimeoutError:
        detail = f"it must be whole within {BODY_S:g} s"
        raise Problem(408, "too-slow", "The body took too long", detail) from None
    except web.RequestPayloadError as error:
        raise Problem(400, "malformed-body", "The body cannot be read", str(error)) from error


def _too_large(most: int) -> Problem:
    return Problem(413, "body-too-large", "The body is too large", f"at most {most} bytes")
