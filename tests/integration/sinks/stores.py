"""The stage store on real servers, with outputs that are only remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

from msgspec.structs import replace

from sinks.store import Store
from streams.envelope import Envelope, Push, decode_push, encode
from streams.logtime import Progress
from streams.outcomes import Outcome
from streams.settings import Settings
from streams.stage import Life, Resources, Stage
from tests.unit.fakes import FakeBatch, FakeOutput, FakeRecord, make_stage

LANE = 1
#: Makes notifications of now.
Fresh = Callable[..., Envelope]


class Made(NamedTuple):
    """What a batch came to."""

    pushes: list[Push]
    outcomes: list[Outcome]
    watermark: int | Progress


class Bench:
    """The stage, and the outputs that it wrote."""

    def __init__(self, stage: Stage, output: FakeOutput, store: Store) -> None:
        self.stage = stage
        self.output = output
        self.store = store

    async def run(
        self, envelopes: Sequence[Envelope], taken: int = -1, first: int = 0, life: Life | None = None
    ) -> Made:
        """Handle one batch, from the offset `first` on."""
        self.output.sent.clear()
        records = [FakeRecord(n, e.account.encode(), encode(e)) for n, e in enumerate(envelopes, first)]
        batch = FakeBatch("notifications.high", records, partition=3, taken=taken, life=life or Life())
        watermark = await self.store.handle(batch)
        sent = self.output.to("push.socket.high")
        pushes = [decode_push(each.value or b"") for each in sent]
        assert all(each.partition == 3 for each in self.output.sent)
        assert [each.key for each in sent] == [push.account.encode() for push in pushes]
        return Made(pushes, self.output.outcomes(), watermark)


def _never(cause: BaseException) -> None:
    raise cause


async def open_bench(
    store_settings: Settings, stack: AsyncExitStack, fail: Callable[[BaseException], None] = _never
) -> Bench:
    """The stage on these stores, for as long as the stack."""
    output = FakeOutput()
    stage = make_stage("store", output, lane=LANE, settings=store_settings)
    stage = replace(stage, clock=time.time, resources=Resources(store_settings, stack), fail=fail)
    return Bench(stage, output, await Store.open(stage))
