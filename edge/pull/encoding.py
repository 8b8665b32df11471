"""Content encodings of answers: zstd and gzip, as the client takes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from backports import zstd

#: Smaller bodies gain nothing.
LEAST: Final = 300
_GZIP_LEVEL: Final = 1
_ZSTD_LEVEL: Final = 3
_GZIP_WINDOW: Final = 31  # zlib's word for a gzip header

#: How to compress, the best first.
CODECS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "zstd": lambda body: zstd.compress(body, _ZSTD_LEVEL),
    "gzip": lambda body: zlib.compress(body, _GZIP_LEVEL, _GZIP_WINDOW),
}


def choose(accepted: str) -> str:
    """The encoding for a header Accept-Encoding, empty where none of ours is taken. Our order decides, not weights."""
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = _weight(parameter)
    return next((name for name in CODECS if weights.get(name, weights.get("*", 0.0)) > 0), "")


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
