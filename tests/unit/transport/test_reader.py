"""The reader asks again where a partition's leader has moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import KafkaError

from streams.transport.client import ReadFailed
from streams.transport.reader import Reader


class Cluster:
    """Answers a consumer with errors first, then with offsets."""

    def __init__(self, *codes: int) -> None:
        self._codes: Iterator[int] = iter(codes)

    def _fail(self) -> None:
        for code in self._codes:
            raise confluent_kafka.KafkaException(KafkaError(code, "said the broker"))

    def get_watermark_offsets(self, place: Any, timeout: float) -> tuple[int, int]:
        """Two offsets."""
        self._fail()
        return 3, 7

    def offsets_for_times(self, places: list[Any], timeout: float) -> list[Any]:
        """Nothing is as young as that."""
        self._fail()
        return [confluent_kafka.TopicPartition(place.topic, place.partition, -1) for place in places]


def test_a_leader_that_has_moved_is_asked_again() -> None:
    """A topic that was just made, or a broker that went down: the next answer is another one."""
    moved = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
    assert Reader(Cluster(*moved)).watermarks("topic", 0) == (3, 7)
    assert Reader(Cluster(*moved)).offset_for_time("topic", 0, 5) == 7


def test_other_errors_are_final() -> None:
    """A topic that is not there will not come by asking."""
    with pytest.raises(ReadFailed, match=r"topic\[0\]: said the broker"):
        Reader(Cluster(KafkaError.UNKNOWN_TOPIC_OR_PART)).watermarks("topic", 0)
