"""Who may do what in Kafka, Redis and Cassandra: the least that each role needs, from topics.yaml."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from streams.topology import Topology, changelog

#: Roles that are no workers.
EDGE, CONSOLE, PROBER, TOPICS, SCHEMA = "edge", "console", "prober", "topics", "schema"
OPERATOR, AUTOSCALER = "operator", "autoscaler"
OTHERS: Final = (EDGE, CONSOLE, PROBER, TOPICS, SCHEMA, OPERATOR, AUTOSCALER)
_INGEST: Final = "ingest"
#: Who reads by offset has this group's name and never joins it.
_READER: Final = "lockstep-reader"


class Right(NamedTuple):
    """Operations on topics, groups or all keyspaces of Kafka, in its words; names without prefix."""

    kind: str
    names: tuple[str, ...]
    operations: tuple[str, ...]


class Grant(NamedTuple):
    """Permissions on a table of Cassandra, on the keyspace (table empty) or on all (`*`)."""

    table: str
    permissions: tuple[str, ...]


#: Commands of scripts count as their caller's own. Every connection loads all scripts.
COMMANDS: Final = (
    "auth", "hello", "client|tracking", "select", "info", "script|load", "evalsha", "time", "exists", "get", "set",
    "del", "incr", "expire", "pexpire", "hget", "hgetall", "hkeys", "hmget", "hset", "hsetnx", "hdel", "zadd", "zrange",
    "zremrangebyscore",
)  # fmt: skip
_HEADS: Final = ("h:*", "p:*", "d:*", "dg:*")
_GATEWAYS: Final = ("gw:*", "gateways", "gateways:last")
_BUDGETS: Final = ("bg:*", "wk:*", "qt:*", "apns:*")
_TABLES: Final = ("inbox", "devices", "last_seen", "revocations")


def roles(topology: Topology) -> tuple[str, ...]:
    """All of them: each worker by its name, then the others."""
    return (*topology.workers, *OTHERS)


def kafka_rights(topology: Topology, role: str) -> list[Right]:
    """What a role may do in Kafka. To describe is part of each right to read or write."""
    every = tuple(topic.name for topic in topology.all_topics())
    if role in topology.workers:
        return list(_worker(topology, role))
    return {
        EDGE: [Right("topic", (_INGEST, "outcomes"), ("WRITE",))],
        CONSOLE: [
            Right("topic", every, ("READ",)),
            Right("topic", (_INGEST, "dead-letters"), ("WRITE",)),
            Right("group", (_READER,), ("READ",)),
        ],
        PROBER: [Right("topic", (_INGEST,), ("WRITE",))],
        TOPICS: [Right("topic", every, ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"))],
        SCHEMA: [],
        OPERATOR: [
            Right("topic", every, ("READ",)),
            Right("topic", (_INGEST, "dead-letters"), ("WRITE",)),
            Right("group", (_READER, *topology.workers), ("READ",)),
        ],
        AUTOSCALER: [
            Right("topic", tuple(sorted(_inputs(topology))), ("DESCRIBE",)),
            Right("group", tuple(topology.workers), ("DESCRIBE",)),
        ],
    }[role]


def _worker(topology: Topology, worker: str) -> Iterator[Right]:
    spec = topology.workers[worker]
    reads = [binding.topic for binding in topology.bindings(worker)]
    writes: dict[str, None] = {}
    for name in spec.stages:
        stage = topology.stages[name]
        own = spec.platforms if "{platform}" in stage.reads else ()
        writes.update(dict.fromkeys(each for topic in stage.writes for each in topology.expand(topic, spec.lanes, own)))
    kept = tuple(changelog(worker, table) for table in topology.tables_of(worker))
    yield Right("group", (worker,), ("READ",))
    yield Right("topic", (*dict.fromkeys(reads), *kept), ("READ",))
    yield Right("topic", (*writes, *kept), ("WRITE",))
    if _INGEST not in reads:
        yield Right("topic", (_INGEST,), ("DESCRIBE",))  # its id is part of every position


def _inputs(topology: Topology) -> set[str]:
    return {binding.topic for worker in topology.workers for binding in topology.bindings(worker)}


def redis_keys(topology: Topology, role: str) -> tuple[str, ...]:
    """Patterns of the keys that a role reads and writes; none: it does not log in."""
    if role in (EDGE, CONSOLE):
        return _HEADS + _GATEWAYS
    if role not in topology.workers:
        return ()
    keys = [key for stage in topology.workers[role].stages for key in _keys(topology, role, stage)]
    return tuple(dict.fromkeys(keys))


def _keys(topology: Topology, worker: str, stage: str) -> tuple[str, ...]:
    if stage == "store":
        return _HEADS
    if stage not in ("push", "retry"):
        return ()
    return ("d:*", "dg:*", *_BUDGETS) if _outside(topology, worker) else (*_GATEWAYS, "p:*", "d:*", "dg:*")


def _outside(topology: Topology, worker: str) -> bool:
    """Whether it pushes through a provider."""
    return bool(set(topology.workers[worker].platforms) - {"socket"})


def redis_user(topology: Topology, role: str, password: str) -> str:
    """The line of Redis' access list; empty for a role that does not log in."""
    keys = redis_keys(topology, role)
    if not keys:
        return ""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return " ".join([
        f"user {role} on #{digest}", *(f"~{key}" for key in keys), "resetchannels -@all",
        *(f"+{command}" for command in COMMANDS),
    ])  # fmt: skip


def cassandra_grants(topology: Topology, role: str) -> list[Grant]:
    """What a role may do in Cassandra; nothing: it does not log in."""
    if role == SCHEMA:
        return [Grant("*", ("CREATE",)), Grant("", ("CREATE", "ALTER"))]
    if role == EDGE:
        return [Grant(table, ("SELECT", "MODIFY")) for table in _TABLES]
    if role == CONSOLE:
        return [Grant(table, ("SELECT",)) for table in ("inbox", "devices", "last_seen")]
    return list(_tables(topology, role)) if role in topology.workers else []


def _tables(topology: Topology, worker: str) -> Iterator[Grant]:
    """A sink of a provider forgets the tokens of devices that are gone."""
    stages = set(topology.workers[worker].stages)
    pushes = bool({"push", "retry"} & stages)
    if "store" in stages:
        yield Grant("inbox", ("MODIFY",))
    if pushes or "store" in stages:
        yield Grant("devices", ("SELECT", "MODIFY") if pushes and _outside(topology, worker) else ("SELECT",))


def grant_statements(grant: Grant, keyspace: str, role: str) -> list[str]:
    """In CQL."""
    on = {"*": "ALL KEYSPACES", "": f"KEYSPACE {keyspace}"}.get(grant.table, f"TABLE {keyspace}.{grant.table}")
    return [f"GRANT {permission} ON {on} TO '{role}'" for permission in grant.permissions]
