"""Mistakes of `store`, of the heads and of the levels at which Cassandra is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.mutants.registry import mutant, replace

NO_GAP = "tests/models/test_no_gap.py"


@mutant(f"{NO_GAP}::test_everything_is_shown_once_and_in_order")
def presence_before_row() -> None:
    """Presence is read, and the head raised, before the row is written."""
    from sinks.store import Store

    handle, states = Store.handle, Store._states

    async def early(self: Any, batch: Any) -> Any:
        values = [record.value for record in batch.records]
        envelopes, _ = self._fresh.take(batch.partition, batch.watermark(), values)
        known = await states(self, {(e.account, e.lane): e.seq for e in envelopes})

        async def again(tops: Any) -> Any:
            return known

        self._states = again
        return await handle(self, batch)

    replace(Store, "handle", early)


@mutant(f"{NO_GAP}::test_a_device_that_is_registered_again_misses_nothing")
def head_after_presence() -> None:
    """The head is raised after presence was read: a device that comes in between sees neither."""
    from sinks import heads
    from sinks.redis import command

    async def trip(self: Any, tops: Mapping[tuple[str, int], int]) -> list[Any]:
        replies: list[Any] = []
        for (account, lane), seq in tops.items():
            name = account.encode()
            reads = [command(b"HGETALL", b"%b:{%b}" % (kind, name)) for kind in (b"p", b"d")]
            presence, devices = await self._redis.call(*reads)
            field = self._redis.run_id + b"%d" % lane
            raised = heads._RAISE.call((b"h:{%b}" % name,), field, b"%d" % seq, b"%d" % heads.LIFE_S)
            (before,) = await self._redis.call(raised)
            replies += [before, presence, devices]
        return replies

    replace(heads.Heads, "_trip", trip)


@mutant("tests/models/test_quorum.py::test_a_read_never_skips_a_row")
def read_at_local_one() -> None:
    """A read that moves a cursor asks one replica."""
    from cassandra import ConsistencyLevel

    from sinks.inbox import InboxReader

    original = InboxReader.open

    async def opened(cls: Any, cassandra: Any) -> InboxReader:
        made = await original(cassandra)
        made._statement.consistency_level = ConsistencyLevel.LOCAL_ONE
        return made

    replace(InboxReader, "open", classmethod(opened))


@mutant("tests/unit/sinks/test_paths.py")
def prev_is_the_head_after_the_batch() -> None:
    """Every push of a batch says that it follows the batch's own last one."""
    from sinks import paths

    def chained(envelopes: Sequence[Any], states: Any) -> list[int]:
        return [envelopes[-1].seq for _ in envelopes]

    replace(paths, "chained", chained)
