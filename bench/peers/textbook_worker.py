"""The pipeline on stock Faust, as its documentation has it written: `python -m bench.peers.textbook_worker worker`.

One event at a time: a table of what was seen and of what is newest, `topic.send` from stage to stage, a statement of
Cassandra's driver for each row, a call of Redis for each device, a request to the gateway for each push. All stages are
in one process, which spares it the cost of several. Settings of Faust are left as they come but for the serializers,
and acks=all, without which what is sent may be lost.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import faust
import redis.asyncio as redis
from cassandra.cluster import Cluster

from bench.plan import LANES

MAX_AGE_S = 3600
STEADY = 20  # looks in a row that find records flowing
CONFIG = json.loads(os.environ["TEXTBOOK"])
LANE_OF = {type_: lane for lane, type_ in LANES.items()}

app = faust.App(
    CONFIG["name"], broker=f"kafka://{CONFIG['kafka']}", store="memory://", topic_partitions=CONFIG["partitions"],
    producer_acks=-1, consumer_auto_offset_reset="earliest", datadir=CONFIG["data"], web_enabled=False,
)  # fmt: skip
ingest = app.topic(CONFIG["topic"], key_serializer="raw", value_serializer="json")
seen = app.Table("seen", default=int)


class Stores:
    """The clients, made once the loop runs."""

    def __init__(self) -> None:
        self.session: Any = None
        self.insert: Any = None
        self.redis: Any = None
        self.http: Any = None

    def open(self) -> None:
        """Connect."""
        host, port = CONFIG["cassandra"]
        self.session = Cluster([host], port=port, protocol_version=4).connect(CONFIG["keyspace"])
        self.insert = self.session.prepare(
            "INSERT INTO inbox (account, created, id, type, payload) VALUES (?, now(), ?, ?, ?) USING TTL 86400"
        )
        self.redis = redis.Redis(**CONFIG["redis"], decode_responses=True)
        self.http = aiohttp.ClientSession()

    async def write(self, event: dict[str, Any]) -> None:
        """Write one row."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        row = event["subject"], event["id"], event["type"], json.dumps(event["data"])
        self.session.execute_async(self.insert, row).add_callbacks(
            lambda _: loop.call_soon_threadsafe(done.set_result, None),
            lambda error: loop.call_soon_threadsafe(done.set_exception, error),
        )
        await done


stores = Stores()


async def connect() -> None:
    """Connect, and say when records flow: what comes while Faust assigns partitions may be taken for seen and lost."""
    stores.open()
    steady = 0
    while steady < STEADY:
        steady = steady + 1 if app.rebalancing_count and not app.rebalancing and app.consumer.flow_active else 0
        await asyncio.sleep(0.1)
    await asyncio.to_thread(Path(CONFIG["ready"]).touch)


app.task(connect)


def lane_topic(stage: str, lane: str) -> Any:
    """The topic of a stage and lane."""
    return app.topic(f"{CONFIG['name']}-{stage}-{lane}", key_serializer="raw", value_serializer="json")


events = {lane: lane_topic("events", lane) for lane in LANES}
notifications = {lane: lane_topic("notifications", lane) for lane in LANES}
pushes = {lane: lane_topic("push", lane) for lane in LANES}


async def route(stream: AsyncIterator[dict[str, Any]]) -> None:
    """Drop duplicates and what is too old; on to the lane."""
    async for event in stream:
        key = f"{event['subject']}|{event['source']}|{event['id']}"
        if key in seen:
            continue
        seen[key] = 1
        age = datetime.now(UTC) - datetime.fromisoformat(event["time"])
        if age.total_seconds() < MAX_AGE_S:
            await events[LANE_OF[event["type"]]].send(key=event["subject"], value=event)


def add_lane(lane: str) -> None:
    """The agents of a lane."""
    latest = app.Table(f"latest-{lane}", default=str)

    async def notify(stream: AsyncIterator[dict[str, Any]]) -> None:
        async for event in stream:
            key = f"{event['subject']}|{event['type']}"
            if event["time"] >= latest[key]:
                latest[key] = event["time"]
                await notifications[lane].send(key=event["subject"], value=event)

    async def store(stream: AsyncIterator[dict[str, Any]]) -> None:
        async for event in stream:
            await stores.write(event)
            account = event["subject"]
            for device in await stores.redis.hkeys(f"devices:{account}"):
                gateway = await stores.redis.get(f"online:{account}:{device}")
                if gateway:
                    await pushes[lane].send(key=account, value={**event, "device": device, "gateway": gateway})

    async def push(stream: AsyncIterator[dict[str, Any]]) -> None:
        async for event in stream:
            async with stores.http.post(event["gateway"], json=event) as answer:
                await answer.read()

    app.agent(events[lane], name=f"notify-{lane}")(notify)
    app.agent(notifications[lane], name=f"store-{lane}")(store)
    app.agent(pushes[lane], name=f"push-{lane}")(push)


app.agent(ingest, name="route")(route)
for each in LANES:
    add_lane(each)


if __name__ == "__main__":
    app.main()
