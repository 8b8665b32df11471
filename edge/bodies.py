"""Bodies of requests, read within a size and a time."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from edge.problems import Problem

#: A body that is not whole after so long (s) is given up: who sends it holds memory here.
BODY_S: Final = 15.0


async def read_body(request: web.Request, most: int) -> bytes:
    """The body, decompressed. Raises Problem for one that is longer than `most` bytes, too slow, or garbled."""
    body = bytearray()
    try:
        if (request.content_length or 0) > most:
            raise _too_large(most)
        async with asyncio.timeout(BODY_S):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > most:
                    raise _too_large(most)
    except TimeoutError:
        raise _too_slow() from None
    except web.RequestPayloadError as error:
        raise Problem(400, "malformed-body", "The body cannot be read", str(error)) from error
    return bytes(body)


async def read_small(request: web.Request) -> bytes:
    """The body of a request whose size the application limits. Raises Problem for one that is too slow."""
    try:
        async with asyncio.timeout(BODY_S):
            return await request.read()
    except TimeoutError:
        raise _too_slow() from None


def _too_slow() -> Problem:
    return Problem(408, "too-slow", "The body took too long", f"it must be whole within {BODY_S:g} s")


def _too_large(most: int) -> Problem:
    return Problem(413, "body-too-large", "The body is too large", f"at most {most} bytes")
