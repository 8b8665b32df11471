"""A handler as a Faust agent: one batch at a time, finished or never."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from streams.failpoints import reach
from streams.stage import Handler, PartitionStopped

log = logging.getLogger(__name__)


def add_agent(app: Any, name: str, topic: str, handler: Handler) -> None:
    """Have `handler` get the batches of `topic`.

    An exception parks the agent and fails the process: Faust would ack the batch, commit, restart the agent and
    go on with the next batch, whose outputs would overtake those of the failed one. PartitionStopped stops one
    partition alone.
    """
    transport = app.transport
    turn = transport.output.turn

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            batch = event.value
            await turn()
            if not batch.begin():
                continue
            if transport.failure is None:
                try:  # a batch may hold nothing but markers
                    result = await handler(batch) if batch.records else batch.watermark()
                except PartitionStopped as stopped:
                    batch.stop(str(stopped))
                    log.error("%s[%d] stopped before offset %d: %s", *batch.source, batch.records[0].offset, stopped)
                    continue
                except Exception as error:
                    transport.fail(error)
            if transport.failure is not None:
                await asyncio.Event().wait()
            if batch.records:
                reach("transport.produced")
            batch.done(result)

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw"), name=name)(agent)
