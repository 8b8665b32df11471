"""Kafka's partitioner against the vectors of its own tests."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.murmur2 import murmur2, partition_for


@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_known_vectors(key: bytes, signed: int) -> None:
    """The values in the tests of Kafka's Java client."""
    assert murmur2(key) == signed % 2**32


@given(st.binary(max_size=64))
def test_agrees_with_another_client(key: bytes) -> None:
    """aiokafka's implementation, for any key."""
    assert murmur2(key) == aiokafka_murmur2(key) % 2**32


@given(st.binary(max_size=64), st.integers(min_value=1, max_value=1000))
def test_partitions_are_in_range(key: bytes, partitions: int) -> None:
    """From 0 up to, not with, the number of partitions."""
    assert 0 <= partition_for(key, partitions) < partitions
