"""HTTP to providers: sessions, bounded answers, what a status means."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

from sinks.each import DELIVERED, Answer

#: Most of an answer's body that is read, bytes.
BODY: Final = 16 * 1024
#: Longest pause that a provider may ask for, ms.
_LONGEST_MS: Final = 3_600_000
#: Longest number of seconds that is read as one.
_DIGITS: Final = 9
_TRIES: Final = 2
#: Set rather than left out: what aiohttp leaves out it searches for with each request.
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "lockstep"}


class Reply(NamedTuple):
    """What a provider answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@asynccontextmanager
async def open_session(connector: aiohttp.BaseConnector) -> AsyncIterator[aiohttp.ClientSession]:
    """A session that keeps no cookies, takes no proxy from the environment, and has no time-outs of its own."""
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        headers=_HEADERS,
    ) as session:
        yield session


async def post(session: aiohttp.ClientSession, url: URL, body: bytes, headers: Mapping[str, str]) -> Reply:
    """One POST, repeated once if an idle connection was closed just then. No redirects. Raises OSError."""
    for attempt in range(1, _TRIES + 1):
        try:
            response = await session.post(url, data=body, headers=headers, allow_redirects=False)
            try:
                return Reply(response.status, response.headers, await _body(response))
            finally:
                response.release()  # with what was not read, the connection too
        except (aiohttp.ServerDisconnectedError, ConnectionResetError) as error:
            if attempt == _TRIES:
                raise ConnectionError(str(error) or "the connection was closed") from error
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from error
    raise AssertionError("the last attempt returns or raises")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body, or its beginning: then the connection is closed."""
    length = response.content_length
    if length is not None and length <= BODY:
        return await response.read()
    body = b""
    while len(body) < BODY and (chunk := await response.content.read(BODY - len(body))):
        body += chunk
    return body


def retry_after(headers: Mapping[str, str]) -> int:
    """What `Retry-After` asks for, ms; 0 where there is none, or none that can be read."""
    text = headers.get("Retry-After") or headers.get("retry-after") or ""
    if text.isascii() and text.isdigit():
        return min(int(text) * 1000, _LONGEST_MS) if len(text) <= _DIGITS else _LONGEST_MS
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError):
        return 0
    return max(0, min(int(seconds * 1000), _LONGEST_MS))


def judge(reply: Reply, gone: tuple[int, ...]) -> Answer:
    """What a status means where the body says no more."""
    status = reply.status
    if 200 <= status < 300:
        return DELIVERED
    if status in gone:
        return Answer("gone", f"status {status}")
    if status in (408, 429):
        return Answer("later", f"status {status}", after=retry_after(reply.headers))
    if status >= 500:
        return Answer("later", f"status {status}", after=retry_after(reply.headers), trouble="fault")
    return Answer("refused", "redirect" if 300 <= status < 400 else f"status {status}")
