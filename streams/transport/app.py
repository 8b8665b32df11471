"""The Faust app of a worker, without its discovery, its web server and its making of topics."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faust

from streams.transport.security import KafkaSecurity, credentials

_NEVER = 1_000_000
_QUIET = ("faust", "mode", "aiokafka")


def make_app(
    name: str,
    servers: str,
    *,
    partitions: int,
    datadir: Path,
    commit_interval: float = 1.0,
    session_timeout: float = 10.0,
    rebalance_timeout: float = 60.0,
    replication: int = 1,
    max_poll_records: int = 4000,
    max_fetch_bytes: int = 1_048_576,
    security: KafkaSecurity | None = None,
) -> Any:
    """A Faust app; `name` is its consumer group and the prefix of its changelog topics. `servers` is a bootstrap list.

    Times are in seconds. A rebalance waits for the batches in work, at most `rebalance_timeout`; one poll takes at most
    `max_poll_records` of all partitions together. Raises SecurityError.
    """
    datadir.mkdir(parents=True, exist_ok=True)
    for logger in _QUIET:
        logging.getLogger(logger).setLevel(logging.WARNING)
    return faust.App(
        name,
        broker=[f"kafka://{server.strip()}" for server in servers.split(",")],
        broker_client_id=name,
        broker_credentials=credentials(security or {}),
        **_group(commit_interval, session_timeout, rebalance_timeout),
        broker_max_poll_records=max_poll_records,
        consumer_max_fetch_size=max_fetch_bytes,
        consumer_auto_offset_reset="earliest",
        topic_partitions=partitions,
        topic_replication_factor=replication,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        store="memory://",
        datadir=datadir,
        key_serializer="raw",
        value_serializer="raw",
        stream_buffer_maxsize=_NEVER,  # the ledger bounds what is handed out
        stream_recovery_delay=0.0,
        autodiscover=False,
        web_enabled=False,
    )


def _group(commit_interval: float, session_timeout: float, rebalance_timeout: float) -> Mapping[str, float]:
    return {
        "broker_commit_every": _NEVER,  # counts batches: the interval alone decides
        "broker_commit_interval": commit_interval,
        "broker_session_timeout": session_timeout,
        "broker_heartbeat_interval": session_timeout / 4,
        "broker_rebalance_timeout": rebalance_timeout,
        "broker_request_timeout": max(40.0, session_timeout + 10.0),
    }
