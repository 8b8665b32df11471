"""Fingerprints: what the tables remember of an event instead of the event."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final
from zlib import crc32

#: Bytes of a fingerprint. Of 64 bits two would be equal by chance within days, and an event lost each time.
SIZE: Final = 12
_LONGEST_KEY: Final = 64
_length: Final = Struct(">I").pack
_lengths: Final = Struct(">II").pack


def seen_fingerprint(key: bytes, account: str, source: str, event_id: str) -> bytes:
    """Names an event: producers promise that (source, id) is unique, lockstep keeps accounts apart."""
    message = f"{len(account)},{len(source)},{account}{source}{event_id}"  # the lengths say where each part ends
    hashed = _keyed(b"seen", key).copy()
    hashed.update(_encoded(message))
    return hashed.digest()


def latest_fingerprint(key: bytes, account: str, scope: tuple[str, ...], selectors: tuple[str, ...]) -> bytes:
    """Names a line of notifications of which only the newest matters.

    `scope`: use case, collapse key and what orders them; `selectors`: which devices are meant, and the origin. Each
    group says how many parts it has, each part how long it is: no two lists give the same bytes.
    """
    name = _encoded(account)
    start = _lengths(1 + len(scope), len(name))
    hashed = _keyed(b"latest", key).copy()
    hashed.update(b"".join((start, name, _beside(scope, selectors))))
    return hashed.digest()


@lru_cache(maxsize=1024)
def _beside(scope: tuple[str, ...], selectors: tuple[str, ...]) -> bytes:
    """What a fingerprint is of beside the account: mostly the same few for all accounts."""
    return _parts(scope) + _length(len(selectors)) + _parts(selectors)


def _parts(parts: Iterable[str]) -> bytes:
    return b"".join([_length(len(encoded)) + encoded for encoded in map(_encoded, parts)])


def replay_fingerprint(fingerprint: bytes, first: int) -> bytes:
    """Names the replays of the record at offset `first` that brought the event of a fingerprint."""
    return blake2b(first.to_bytes(8), digest_size=SIZE, key=fingerprint, person=b"replay").digest()


def short_key(key: bytes) -> bytes:
    """A key that is not too long for the hash: itself, or the hash of one that is."""
    return blake2b(key).digest() if len(key) > _LONGEST_KEY else key


def digest_of(payload: bytes) -> int:
    """32 bits that tell a repeated event from another one under the same id."""
    return crc32(payload)


def _encoded(part: str) -> bytes:
    """UTF-8; a lone surrogate, which JSON may hold, is text too."""
    try:
        return part.encode()
    except UnicodeEncodeError:
        return part.encode("utf-8", "surrogatepass")


@lru_cache(maxsize=16)
def _keyed(person: bytes, key: bytes) -> blake2b:
    """A hash that has taken nothing yet: copying it is cheaper than telling it its key each time."""
    return blake2b(digest_size=SIZE, key=short_key(key), person=person)
