"""What every Python peer is told: where the events are, where each one goes, and when it is too old."""

from __future__ import annotations

import os
from datetime import datetime
from typing import NamedTuple

import msgspec


class Event(msgspec.Struct, gc=False):
    """What the job looks at of a CloudEvent."""

    id: str
    type: str
    time: datetime


class Rule(NamedTuple):
    """The lane of an event type, and how old an event may be, ms."""

    lane: int
    max_age: int


class Job(NamedTuple):
    """Read `ingest`, drop what is stale or a duplicate, put the rest as it is into its topic of `lanes`."""

    servers: str
    group: str
    ingest: str
    lanes: tuple[str, ...]
    rules: dict[str, Rule]
    partitions: int
    state: str  # directory


decode = msgspec.json.Decoder(Event).decode


def read_job() -> Job:
    """The job that the environment holds."""
    rules = (rule.replace("=", ":").split(":") for rule in os.environ["JOB_RULES"].split(","))
    return Job(
        servers=os.environ["JOB_SERVERS"],
        group=os.environ["JOB_GROUP"],
        ingest=os.environ["JOB_INGEST"],
        lanes=tuple(os.environ["JOB_LANES"].split(",")),
        rules={name: Rule(int(lane), int(max_age)) for name, lane, max_age in rules},
        partitions=int(os.environ["JOB_PARTITIONS"]),
        state=os.environ["JOB_STATE"],
    )
