"""Rights of roles: as little as their stages need, and all of that."""

from __future__ import annotations

import pytest

from deploy.access import OTHERS, cassandra_grants, grant_statements, kafka_rights, redis_keys, redis_user, roles
from streams.check import load_file
from streams.topology import Topology
from tests.unit.fakes import ROOT


@pytest.fixture(scope="module")
def topology() -> Topology:
    """The shipped one."""
    return load_file(str(ROOT / "topics.yaml"), handlers=False)


def granted(topology: Topology, role: str, operation: str) -> set[str]:
    """Topics on which a role may do something."""
    rights = [right for right in kafka_rights(topology, role) if right.kind == "topic"]
    return {name for right in rights if operation in right.operations for name in right.names}


def test_every_right_is_on_a_topic_that_exists(topology: Topology) -> None:
    """And every topic has somebody who writes it, and, unless others read it, somebody who reads it."""
    every = {topic.name for topic in topology.all_topics()}
    read = {name for worker in topology.workers for name in granted(topology, worker, "READ")}
    written = {
        name
        for role in roles(topology)
        if role not in ("operator", "console")
        for name in granted(topology, role, "WRITE")
    }
    assert read | {"outcomes", "dead-letters"} == every
    assert written == every


def test_a_lane_reaches_no_other(topology: Topology) -> None:
    """Each reads its own topics alone and writes nothing of another; none writes `ingest`."""
    for lane in topology.lane_names():
        names = granted(topology, lane, "READ") | granted(topology, lane, "WRITE")
        assert {name for name in names if lane not in name} == {"outcomes"}
    assert {role for role in roles(topology) if "ingest" in granted(topology, role, "WRITE")} == {
        "edge", "console", "prober", "operator",
    }  # fmt: skip


def test_stores_know_only_those_who_need_them(topology: Topology) -> None:
    """The router and the hook of topics log in nowhere but to Kafka; only the hook of the schema makes tables."""
    assert {role for role in roles(topology) if redis_keys(topology, role)} == {
        *topology.workers, "edge", "console",
    } - {"router"}  # fmt: skip
    assert {role for role in roles(topology) if cassandra_grants(topology, role)} == {
        *topology.workers, "edge", "console", "schema",
    } - {"router"}  # fmt: skip
    makers = [
        role
        for role in roles(topology)
        for grant in cassandra_grants(topology, role)
        if "CREATE" in grant.permissions
    ]  # fmt: skip
    assert set(makers) == {"schema"}
    assert set(OTHERS) <= set(roles(topology))


def test_those_who_only_read_a_table_cannot_write_it(topology: Topology) -> None:
    """The console changes nothing; of workers those of providers alone forget tokens of devices."""
    writers = {
        role for role in roles(topology)
        for grant in cassandra_grants(topology, role) if "MODIFY" in grant.permissions and grant.table != "inbox"
    }  # fmt: skip
    assert writers == {"edge", *(name for name in topology.workers if name.startswith("push-"))}
    assert {grant.permissions for grant in cassandra_grants(topology, "console")} == {("SELECT",)}


def test_a_line_of_redis_holds_no_password(topology: Topology) -> None:
    """Its digest alone; a role without keys has no line."""
    line = redis_user(topology, "critical", "secret")
    assert line.startswith("user critical on #")
    assert "secret" not in line
    assert " resetchannels -@all +" in line
    assert redis_user(topology, "router", "secret") == ""


def test_grants_in_cql(topology: Topology) -> None:
    """On a table, the keyspace or all of them."""
    said = [text for grant in cassandra_grants(topology, "schema") for text in grant_statements(grant, "ks", "schema")]
    assert said == [
        "GRANT CREATE ON ALL KEYSPACES TO 'schema'",
        "GRANT CREATE ON KEYSPACE ks TO 'schema'",
        "GRANT ALTER ON KEYSPACE ks TO 'schema'",
    ]
    [grant] = cassandra_grants(topology, "push-fcm")
    assert grant_statements(grant, "ks", "push-fcm")[0] == "GRANT SELECT ON TABLE ks.devices TO 'push-fcm'"
