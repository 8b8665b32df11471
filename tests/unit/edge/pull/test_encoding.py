"""Content encodings: what is chosen, and that it comes out as it went in."""

from __future__ import annotations

import gzip

import pytest
from backports import zstd

from edge.pull.encoding import CODECS, choose


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("", ""), ("identity", ""), ("br, deflate", ""), ("gzip", "gzip"), ("gzip, zstd", "zstd"), ("GZIP", "gzip"),
        ("zstd;q=0, gzip;q=0.1", "gzip"), ("zstd; q=0.000", ""), ("*", "zstd"), ("*;q=0", ""), ("gzip;q=x", ""),
        ("zstd;q=0, *", "gzip"), ("gzip;level=1", "gzip"), (",,;", ""),
    ],
)  # fmt: skip
def test_the_best_that_is_taken_is_chosen(accepted: str, chosen: str) -> None:
    """None where the client takes none of ours."""
    assert choose(accepted) == chosen


def test_what_is_compressed_comes_out_as_it_was() -> None:
    """By other implementations than those that wrote it."""
    body = b'{"items":[]}' * 1000
    assert gzip.decompress(CODECS["gzip"](body)) == body
    assert zstd.decompress(CODECS["zstd"](body)) == body
    assert all(len(compress(body)) < len(body) / 10 for compress in CODECS.values())
