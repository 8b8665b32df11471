"""Plain Kafka clients without Faust: one publisher, and readers by offset."""

from streams.murmur2 import partition_for
from streams.transport.publisher import Placed, Publisher, PublishFailed, PublishRefused
from streams.transport.reader import (
    RawRecord,
    Reader,
    ReadFailed,
    follow,
    offsets_for_time,
    read_partition,
    reader,
    watermarks,
)

__all__ = [
    "Placed",
    "PublishFailed",
    "PublishRefused",
    "Publisher",
    "RawRecord",
    "ReadFailed",
    "Reader",
    "follow",
    "offsets_for_time",
    "partition_for",
    "read_partition",
    "reader",
    "watermarks",
]
