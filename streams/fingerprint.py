"""Fingerprints: what the tables remember of an event instead of the event."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final
from zlib import crc32

#: Bytes of a fingerprint. Of 64 bits two would be equal by chance within days, and an event lost each time.
SIZE: Final = 12
_LONGEST_KEY: Final = 64


def seen_fingerprint(key: bytes, account: str, source: str, event_id: str) -> bytes:
    """Names an event: producers promise that (source, id) is unique, lockstep keeps accounts apart."""
    return _fingerprint(b"seen", key, (account, source, event_id))


def latest_fingerprint(key: bytes, account: str, scope: Iterable[str], selectors: Iterable[str]) -> bytes:
    """Names a line of notifications of which only the newest matters.

    `scope`: use case, collapse key and what orders them; `selectors`: which devices are meant, and the origin.
    """
    return _fingerprint(b"latest", key, (account, *scope), tuple(selectors))


def replay_fingerprint(fingerprint: bytes, first: int) -> bytes:
    """Names the replays of the record at offset `first` that brought the event of a fingerprint."""
    return blake2b(first.to_bytes(8), digest_size=SIZE, key=fingerprint, person=b"replay").digest()


def digest_of(payload: bytes) -> int:
    """32 bits that tell a repeated event from another one under the same id."""
    return crc32(payload)


def _fingerprint(person: bytes, key: bytes, *groups: tuple[str, ...]) -> bytes:
    """Each group says how many parts it has, each part how long it is: no two lists give the same bytes."""
    if len(key) > _LONGEST_KEY:
        key = blake2b(key).digest()
    message = bytearray()
    for group in groups:
        message += len(group).to_bytes(4)
        for part in group:
            encoded = part.encode("utf-8", "surrogatepass")
            message += len(encoded).to_bytes(4)
            message += encoded
    return blake2b(message, digest_size=SIZE, key=key, person=person).digest()
