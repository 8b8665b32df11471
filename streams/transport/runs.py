"""Records of a fetch, taken by runs: aiokafka's own way goes through four Python calls for each of them.

Line numbers are those of aiokafka 0.14.0.
"""

from __future__ import annotations

from typing import Any, Final

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import CorruptRecordException

_ALL: Final = 2**31


class Runs:
    """Stands in for `FetchResult.getall` (consumer/fetcher.py:124) and the `PartitionRecords` beneath (:209).

    Records are those of aiokafka's parser. Committed and aborted transactions read alike, as `read_uncommitted` has it.
    """

    def __init__(self, fetched: FetchResult) -> None:
        self._fetched = fetched
        self._run: list[Any] = []
        self._at = 0

    def __call__(self, max_records: int | None = None) -> list[Any]:
        """The next records, at most `max_records`; none where the partition is no longer read at this place."""
        fetched = self._fetched
        if not fetched.check_assignment(fetched._topic_partition) or not fetched.has_more():
            return []
        records = self._take(fetched._partition_records, _ALL if max_records is None else max_records)
        fetched._update_position()
        if self._at == len(self._run) and not fetched._partition_records._records.has_next():
            fetched._partition_records = None
        return records

    def _take(self, source: Any, most: int) -> list[Any]:
        taken: list[Any] = []
        while len(taken) < most:
            if self._at == len(self._run):
                if not source._records.has_next():
                    break
                self._run, self._at = self._next_run(source), 0
            part = self._run[self._at : self._at + most - len(taken)]
            self._at += len(part)
            taken += part
            if self._at == len(self._run):
                source.next_fetch_offset = self._end
            elif part:
                source.next_fetch_offset = part[-1].offset + 1
        return taken

    def _next_run(self, source: Any) -> list[Any]:
        """Records of the next batch of the log, from the place on that was asked for: a batch comes whole."""
        batch = source._records.next_batch()
        if source._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {source._tp}")
        self._end: int = batch.next_offset
        if batch.is_control_batch:
            return []
        records = list(batch)
        if records and records[0].offset < source.next_fetch_offset:
            records = [record for record in records if record.offset >= source.next_fetch_offset]
        return records
