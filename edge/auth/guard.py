"""Whom an edge lets in: keys, revocations, callers, rates, and when devices were seen; opened together."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from edge.auth.access import Access
from edge.auth.callers import Callers
from edge.auth.jwks import RemoteKeys
from edge.auth.tokens import Verifier, is_remote
from sinks.cassandra import Cassandra
from sinks.last_seen import LastSeen
from sinks.revocations import Revocations
from sinks.seal import Seal
from streams.settings import Settings


class Guard(NamedTuple):
    """`work`: what keeps it up to date, for as long as the edge runs."""

    verifier: Verifier
    revocations: Revocations
    callers: Callers
    seen: LastSeen
    access: Access
    work: tuple[Callable[[], Coroutine[Any, Any, None]], ...]


def check_files(settings: Settings) -> None:
    """Read what people write before anything is opened. Raises BadKeys, BadCallers and BadTokenKeys."""
    Seal(settings.registry.token_keys)
    Verifier(settings.tokens)
    Callers(Path(settings.ingest.callers))


async def open_guard(settings: Settings, disk: Cassandra) -> Guard:
    """Raises BadKeys, BadCallers and CassandraUnavailable."""
    tokens = settings.tokens
    revocations = await Revocations.open(disk, tokens.longest, time.time)
    seen = await LastSeen.open(disk, time.time, tokens.revocations + tokens.leeway)
    verifier = Verifier(tokens, revocations)
    callers = Callers(Path(settings.ingest.callers))
    access = Access(verifier, time.time, settings.edge.device_rate, seen.note)
    work: list[Callable[[], Coroutine[Any, Any, None]]] = [seen.run]
    if is_remote(tokens.keys):
        remote = RemoteKeys(tokens.keys, verifier)
        work.append(partial(remote.run, await remote.fetch()))
    return Guard(verifier, revocations, callers, seen, access, tuple(work))
