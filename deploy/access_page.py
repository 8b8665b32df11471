"""docs/access.md: the tables of who may do what, from topics.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from deploy.access import COMMANDS, Grant, Right, cassandra_grants, kafka_rights, redis_keys, roles
from streams.topology import Topology

_HEAD: Final = """# Access

The least that each process needs, so that whoever takes one over cannot read or write what is another's. A role is a
login of its own in each store; its name is that of the worker, or `edge`, `console`, `prober`, `topics` and `schema`
(the hooks), `operator` (who calls `trace`, `audit` and `dlq`), `autoscaler` (KEDA). How logins get into a process:
[security](security.md).

Written by `make reference` from topics.yaml and `deploy/access.py`; `make lint` fails when it is stale. With these
rights, and no others, the tests send an event through every lane (`tests/e2e/test_guarded.py`).
"""
_KAFKA: Final = """## Kafka

Names are without the prefix of `LOCKSTEP_TOPIC_PREFIX`, patterns literal, hosts `*`. To read or write includes to
describe. Producers of yours need `WRITE` on `ingest`, readers of `outcomes` or `dead-letters` `READ`. The group
`lockstep-reader` has no prefix, and nobody joins it.

| role | resource | names | operations |
|---|---|---|---|"""
_REDIS: Final = """## Redis

One line of an access list for each role, `user ROLE on #DIGEST KEYS resetchannels -@all COMMANDS`; the other roles do
not log in. The commands of scripts count as their caller's:

    {commands}

| role | keys |
|---|---|"""
_CASSANDRA: Final = """## Cassandra

`CREATE ROLE 'critical' WITH PASSWORD = '...' AND LOGIN = true`, then `GRANT`; the other roles do not log in. Grant on
tables after `lockstep schema apply`.

| role | on | permissions |
|---|---|---|"""


def access_page(topology: Topology) -> str:
    """The whole page."""
    every = tuple(topic.name for topic in topology.all_topics())
    commands = _wrapped([f"+{command}" for command in COMMANDS])
    parts = [
        _HEAD,
        _KAFKA,
        *(_kafka(role, right, every) for role in roles(topology) for right in kafka_rights(topology, role)),
        "",
        _REDIS.format(commands=commands),
        *_redis(topology),
        "",
        _CASSANDRA,
        *(_cassandra(role, grant) for role in roles(topology) for grant in cassandra_grants(topology, role)),
    ]
    return "\n".join(parts) + "\n"


def _kafka(role: str, right: Right, every: Sequence[str]) -> str:
    names = "all of topics.yaml, changelogs too" if right.names == every else _code(right.names)
    return f"| {role} | {right.kind} | {names} | {', '.join(right.operations)} |"


def _redis(topology: Topology) -> Iterator[str]:
    for role in roles(topology):
        if keys := redis_keys(topology, role):
            yield f"| {role} | {_code([f'~{key}' for key in keys])} |"


def _cassandra(role: str, grant: Grant) -> str:
    on = {"*": "all keyspaces", "": "its keyspace"}.get(grant.table, f"`{grant.table}`")
    return f"| {role} | {on} | {', '.join(grant.permissions)} |"


def _code(words: Sequence[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _wrapped(words: Sequence[str]) -> str:
    half = (len(words) + 1) // 2
    return " ".join(words[:half]) + "\n    " + " ".join(words[half:])
