"""The job on Faust as its documentation writes it: an agent, a table of ids, a send for each event."""

from __future__ import annotations

from typing import Any

import faust

from bench.peers.job import decode, read_job

job = read_job()
app = faust.App(
    job.group,
    broker=f"kafka://{job.servers}",
    store="memory://",
    datadir=job.state,
    topic_partitions=job.partitions,
    topic_replication_factor=1,
    topic_disable_leader=True,
    table_standby_replicas=0,
    consumer_auto_offset_reset="earliest",
    producer_acks=-1,
    producer_linger=0.02,
    producer_compression_type="lz4",
    key_serializer="raw",
    value_serializer="raw",
    cython_optimizations=True,
    web_enabled=False,
)
ingest = app.topic(job.ingest, key_type=bytes, value_type=bytes)
lanes = [app.topic(name, key_type=bytes, value_type=bytes) for name in job.lanes]
seen = app.Table("seen", key_type=str, value_type=int)


async def route(stream: Any) -> None:
    """Route each event."""
    async for message in stream.events():
        event = decode(message.value)
        lane, max_age = job.rules[event.type]
        age = message.message.timestamp * 1000 - event.time.timestamp() * 1000
        if age <= max_age and event.id not in seen:
            seen[event.id] = 1
            await lanes[lane].send(key=message.key, value=message.value)


app.agent(ingest, name="route")(route)

if __name__ == "__main__":
    app.main()
