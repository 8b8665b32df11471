"""A lockstep on servers with TLS, where every process has a login of its own and the rights of docs/access.md."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from deploy.access import Right, cassandra_grants, grant_statements, kafka_rights, redis_user, roles
from deploy.local.config import Config
from deploy.local.pipeline import Member, Pipeline, environment
from deploy.local.ports import free_ports
from deploy.local.secured import ADMIN, Secrets, secured
from deploy.local.topologies import with_platforms
from streams.check import load_file
from streams.topology import Topology
from tests.certificate import write_certificate
from tests.e2e.system import WORKERS

KEYSPACE: Final = "guarded"
PREFIX: Final = "guarded."
#: Those that the system has beside sockets: with budgets in Redis and without.
PLATFORMS: Final = ("fcm", "webhook")
_SUPERUSER: Final = "cassandra"  # its first password is its name
_KINDS: Final = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


@dataclass(frozen=True)
class Guarded:
    """Its servers, secrets and processes."""

    config: Config
    secrets: Secrets
    topology: Topology
    directory: Path
    pipeline: Pipeline

    @property
    def url(self) -> str:
        """Where devices are served."""
        return f"http://127.0.0.1:{self.pipeline.environment['LOCKSTEP_EDGE__PORT']}"

    def security(self, role: str, password: str = "") -> dict[str, str]:
        """Properties of librdkafka for a role."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": role,
            "sasl.password": password or self.secrets.passwords[role],
            "ssl.ca.location": str(self.secrets.certificate),
        }

    def write_login(self, role: str, password: str) -> tuple[Path, Path]:
        """Files with the password, and with it in librdkafka's properties, as a Secret is mounted."""
        files = self.directory / f"{role}.password", self.directory / f"{role}.json"
        files[0].write_text(password)
        files[1].write_text(json.dumps(self.security(role, password)))
        return files

    def settings(self, role: str) -> dict[str, str]:
        """What makes a process that role."""
        password, security = self.write_login(role, self.secrets.passwords[role])
        stores = {
            f"LOCKSTEP_{store}__{name}": value
            for store in ("REDIS", "CASSANDRA")
            for name, value in {
                "TLS": "true", "CA": str(self.secrets.certificate), "USERNAME": role, "PASSWORD_FILE": str(password),
            }.items()
        }  # fmt: skip
        return {"LOCKSTEP_KAFKA__SECURITY_FILE": str(security), **stores}

    def command(self, role: str, *arguments: str, **changed: str) -> str:
        """Run a command of lockstep as a role; its output. Raises ProcessFailed."""
        own = self.pipeline.environment | self.settings(role) | changed
        return Pipeline(own, self.directory).command(*arguments)

    def start(self) -> list[Member]:
        """Start every worker and the edge, each as itself, and wait until all are ready."""
        members = [self.pipeline.worker(name, **self.settings(name)) for name in WORKERS]
        members.append(self.pipeline.edge(**self.settings("edge")))
        self.pipeline.wait_ready(members, 300)
        return members

    def kafka(self) -> Any:
        """The admin of Kafka."""
        return AdminClient({"bootstrap.servers": self.config.endpoints.kafka, **self.security(ADMIN)})

    def redis(self, role: str = ADMIN) -> Any:
        """A client of Redis with a role's login."""
        return redis.Redis(
            host="127.0.0.1", port=self.config.ports["redis"], ssl=True, ssl_ca_certs=str(self.secrets.certificate),
            username=role, password=self.secrets.passwords[role],
        )  # fmt: skip

    @contextmanager
    def cassandra(self, role: str = _SUPERUSER) -> Iterator[Any]:
        """A session; by default of the superuser that a new cluster has."""
        login = PlainTextAuthProvider(role, self.secrets.passwords.get(role, _SUPERUSER))
        port = self.config.ports["cassandra"]
        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=60)
        with Cluster(
            ["127.0.0.1"], port=port, protocol_version=4, auth_provider=login, ssl_context=self.secrets.tls,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile}, connect_timeout=60,
        ) as cluster:  # fmt: skip
            yield cluster.connect()


@contextmanager
def guarded(directory: Path) -> Iterator[Guarded]:
    """Servers and rights are there, topics and tables made by the roles that may; nothing runs yet."""
    path = with_platforms(directory / "topology", PLATFORMS)
    topology = load_file(str(path), handlers=False)
    passwords = {role: secrets.token_hex(8) for role in (ADMIN, *roles(topology))}
    made = Secrets(*write_certificate(directory), passwords)
    users = [line for role in roles(topology) if (line := redis_user(topology, role, passwords[role]))]
    edge_port, push_port, *health = free_ports(2 + 20)
    with secured(made, users) as config:
        at = config.endpoints
        settings = {
            **environment(at.kafka, at.cassandra, at.redis, directory, edge_port, push_port),
            "LOCKSTEP_TOPIC_PREFIX": PREFIX,
            "LOCKSTEP_CASSANDRA__KEYSPACE": KEYSPACE,
            "LOCKSTEP_CASSANDRA__TIMEOUT": "30",
            "LOCKSTEP_KAFKA__SESSION_TIMEOUT": "30",
            "LOCKSTEP_TOPOLOGY": str(path),
        }
        with Pipeline(settings, directory, health_ports=health) as pipeline:
            system = Guarded(config, made, topology, directory, pipeline)
            _permit(system)
            yield system


def _permit(system: Guarded) -> None:
    _permit_in_kafka(system)
    system.command("topics", "topics", "apply")
    with system.cassandra() as session:
        for role in roles(system.topology):
            session.execute(f"CREATE ROLE '{role}' WITH PASSWORD = '{system.secrets.passwords[role]}' AND LOGIN = true")
        _grant(system, session, everywhere=True)
        system.command("schema", "schema", "apply")
        _grant(system, session, everywhere=False)
    system.command("prober", "token", "nobody", "--account", "nothing", "--type", "tv")


def _grant(system: Guarded, session: Any, everywhere: bool) -> None:
    for role in roles(system.topology):
        for grant in cassandra_grants(system.topology, role):
            for statement in grant_statements(grant, KEYSPACE, role) if (grant.table == "*") == everywhere else ():
                session.execute(statement)


def _permit_in_kafka(system: Guarded) -> None:
    client = system.kafka()
    bindings = [
        binding
        for role in roles(system.topology)
        for right in kafka_rights(system.topology, role)
        for binding in _bindings(right, role)
    ]
    for future in client.create_acls(bindings, request_timeout=60).values():
        future.result()


def _bindings(right: Right, role: str) -> Iterator[AclBinding]:
    for name in right.names:
        full = name if name.startswith("lockstep-") else PREFIX + name
        for operation in right.operations:
            yield AclBinding(
                _KINDS[right.kind], full, ResourcePatternType.LITERAL, f"User:{role}", "*",
                AclOperation[operation], AclPermissionType.ALLOW,
            )  # fmt: skip
