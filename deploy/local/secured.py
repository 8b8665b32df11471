"""The three servers as a cautious operator runs them: TLS, a password and rights for each role, nobody else let in."""

import shutil
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.local import boot, cassandra, jars, kafka, processes, redis, servers, tools
from deploy.local.config import Config, LocalError, on_free_ports
from deploy.local.ports import derived_port
from deploy.local.server import Server, ask

ADMIN = "admin"  # may do everything, in Kafka and Redis
_HELLO = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\xff\xff"  # of Kafka: ApiVersions, version 0
_OPTIONS = b"\x04\x00\x00\x00\x05\x00\x00\x00\x00"  # of Cassandra's native protocol


@dataclass(frozen=True)
class Secrets:
    """The certificate of all servers, which is its own authority, its key, and the password of each role."""

    certificate: Path
    key: Path
    passwords: Mapping[str, str]

    @property
    def tls(self) -> ssl.SSLContext:
        """What a client trusts."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def secured(secrets: Secrets, redis_users: Sequence[str], config: Config | None = None) -> Iterator[Config]:
    """Servers of one's own, gone at the end. `redis_users`: lines of Redis' access list, beside that of the admin."""
    home = Path(tempfile.mkdtemp(prefix="lockstep-secured-"))
    chosen = config or on_free_ports(home)
    servers.prepare(chosen, chosen.ports)
    try:
        made = _servers(chosen, secrets, redis_users)
        boot.together([partial(boot.run, home, each.name, each, servers.silent) for each in made])
        yield chosen
    finally:
        for name in chosen.ports:
            if process := processes.read(boot.pid_file(home, name)):
                processes.end(process, grace=0)
        shutil.rmtree(home, ignore_errors=True)


def _servers(config: Config, secrets: Secrets, redis_users: Sequence[str]) -> list[Server]:
    java = tools.java()
    if java is None:
        raise LocalError("Java 17 is gone since it was looked for")
    pair = config.home / "pair.pem"
    pair.write_text(secrets.key.read_text() + secrets.certificate.read_text())
    return [
        _kafka(config, secrets, pair, java),
        _cassandra(config, secrets, pair, java),
        _redis(config, secrets, redis_users),
    ]


def _kafka(config: Config, secrets: Secrets, pair: Path, java: str) -> Server:
    port, name = config.ports["kafka"], "kafka"
    controller = derived_port(port)
    login = f'username="{ADMIN}" password="{secrets.passwords[ADMIN]}"'
    more = {
        "listeners": f"SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            f"org.apache.kafka.common.security.scram.ScramLoginModule required {login};"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",  # the controller's listener has no logins
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pair),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(secrets.certificate),
    }
    quorum = kafka.Quorum(1, (controller,), kafka.fresh_cluster())
    path = jars.directory(config.jars, name)
    made = kafka.node(config.directory(name), port, quorum, java, path, more, secrets.passwords)
    return _asked(made, partial(_answers, _HELLO, b"\x00\x00", secrets.tls))


def _cassandra(config: Config, secrets: Secrets, pair: Path, java: str) -> Server:
    port, name = config.ports["cassandra"], "cassandra"
    secure = (
        "client_encryption_options:\n"
        "  enabled: true\n"
        "  ssl_context_factory:\n"
        "    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n"
        f"  keystore: {pair}\n"
        "roles_validity: 100ms\npermissions_validity: 100ms\ncredentials_validity: 100ms\n"
    )
    path = jars.directory(config.jars, name)
    made = cassandra.server(config.directory(name), port, derived_port(port), java, path, secure)
    return _asked(made, partial(_answers, _OPTIONS, b"\x84", secrets.tls))


def _redis(config: Config, secrets: Secrets, users: Sequence[str]) -> Server:
    port, name = config.ports["redis"], "redis"
    access = config.directory(name) / "users.acl"
    admin = f"user {ADMIN} on >{secrets.passwords[ADMIN]} ~* &* +@all"
    made = redis.server(config.directory(name), port)
    tls = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--aclfile", str(access)]
    tls += ["--tls-cert-file", str(secrets.certificate), "--tls-key-file", str(secrets.key)]
    tls += ["--tls-ca-cert-file", str(secrets.certificate)]
    files = {**made.files, access: "\n".join(["user default off", admin, *users]) + "\n"}
    secure = Server(name, port, [*made.command, *tls], made.answers, files)
    return _asked(secure, partial(_answers, b"PING\r\n", b"-NOA", secrets.tls))


def _asked(server: Server, answers: partial[bool]) -> Server:
    return Server(server.name, server.port, server.command, answers, server.files, server.setup)


def _answers(question: bytes, begins: bytes, tls: ssl.SSLContext, port: int) -> bool:
    """Whether a server answers through TLS."""
    return ask(port, question, 4, tls).startswith(begins)
