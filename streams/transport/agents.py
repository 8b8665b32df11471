"""A handler as a Faust agent: the batches of a partition one after the other, each finished or never."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from streams.failpoints import reach
from streams.stage import Handler, PartitionStopped
from streams.transport.batch import Batch

log = logging.getLogger(__name__)


def add_agent(app: Any, name: str, topic: str, handler: Handler) -> None:
    """Have `handler` get the batches of `topic`, those of other partitions meanwhile: none waits for another's answers.

    An exception parks the agent and fails the process: Faust would ack the batch, commit, restart the agent and
    go on with the next batch, whose outputs would overtake those of the failed one. PartitionStopped stops one
    partition alone.
    """
    transport = app.transport
    turn = transport.output.turn

    async def handle(batch: Batch, before: asyncio.Task[None] | None) -> None:
        await _end_of(before)
        await turn()
        if not batch.begin():
            return
        if transport.failure is None:
            try:  # a batch may hold nothing but markers
                result = await handler(batch) if batch.records else batch.watermark()
            except PartitionStopped as stopped:
                batch.stop(str(stopped))
                log.error("%s[%d] stopped before offset %d: %s", *batch.source, batch.records[0].offset, stopped)
                return
            except Exception as error:
                transport.fail(error)
        if transport.failure is not None:
            await asyncio.Event().wait()
        if batch.records:
            reach("transport.produced")
        batch.done(result)

    async def agent(stream: Any) -> None:
        last: dict[int, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for event in stream.events():
                batches: list[Batch] = event.value
                for batch in batches:
                    last[batch.partition] = group.create_task(handle(batch, last.get(batch.partition)))

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"), name=name)(agent)


async def _end_of(before: asyncio.Task[None] | None) -> None:
    """Wait for the batch before this one in its partition."""
    if before is not None:
        await before
