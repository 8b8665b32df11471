"""Settings of a process: read once from the environment, validated, frozen, passed down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from streams import failpoints
from streams.limits import Limits
from streams.logins import Login
from streams.operating import Console, Port
from streams.providers import Apns, Egress, Fcm, Frozen, Positive, Registry, Seconds, Webhook, Webpush

PREFIX: Final = "LOCKSTEP_"
LOCAL: Final = "LOCKSTEP_LOCAL_"  # for those who boot servers on this machine, no setting of a process
_FILE: Final = "_FILE"
_UNKNOWN: Final = "Object contains unknown field "


class SettingsError(Exception):
    """The environment holds a value that cannot be used; the message names the variable."""


class Kafka(Frozen, frozen=True):
    """The cluster.

    servers: Bootstrap addresses, `host:port`, separated by commas.
    security: librdkafka's properties for TLS and SASL, such as `security.protocol` and `sasl.username`.
    security_file: File that holds them; a new name or password in it is taken within 10 s.
    session_timeout: After so long without a heartbeat a worker's partitions go to another one, s.
    commit_interval: Time between two commits of a worker, s.
    max_message_bytes: Largest record that a worker produces; topics take no more than `max_message` of topics.yaml.
    """

    servers: str = "127.0.0.1:19092"
    security: dict[str, str] = msgspec.field(default_factory=dict)
    security_file: str = ""
    session_timeout: Seconds = 10.0
    commit_interval: Seconds = 1.0
    max_message_bytes: Positive = 2 * 1024 * 1024


class Cassandra(Login, frozen=True):
    """Inbox and device registry.

    username: Empty: no authentication.
    password: That of the user.
    password_file: File that holds it, read anew for each connection.
    tls: Whether connections are encrypted.
    ca: File with the authorities that may have signed the server's certificate; empty: those of the system.
    certificate: File with this client's certificate, for a server that asks for one; empty: none.
    key: File with its private key, without a password; empty: it is in the file of the certificate.
    check_host: Whether the server's certificate must hold the host name that it was reached by.
    contact_points: Hosts at which the cluster is found.
    port: Port of the native protocol on every host.
    keyspace: Keyspace of all tables; `lockstep schema apply` makes it.
    local_dc: Data centre whose hosts are asked, and to which the quorum of reads and writes belongs.
    replication: Replicas in that data centre, for a keyspace that `schema apply` makes.
    timeout: Longest wait for a request, s; `store` tries again until it works.
    """

    contact_points: tuple[str, ...] = ("127.0.0.1",)
    port: Port = 19042
    keyspace: str = "lockstep"
    local_dc: str = "datacenter1"
    replication: Positive = 1
    timeout: Seconds = 10.0


class Redis(Login, frozen=True):
    """Heads, presence, leases and the copy of the registry.

    username: Empty: the default user.
    password: Empty: no authentication.
    password_file: File that holds it, read anew for each connection.
    tls: Whether connections are encrypted.
    ca: File with the authorities that may have signed the server's certificate; empty: those of the system.
    certificate: File with this client's certificate, for a server that asks for one; empty: none.
    key: File with its private key, without a password; empty: it is in the file of the certificate.
    check_host: Whether the server's certificate must hold the host name that it was reached by.
    host: Where Redis is.
    port: Its port.
    database: Number of the database; two installations never share one, their keys are the same.
    timeout: Longest wait for an answer, s; after twice as long `store` writes rows without it, and acks nothing.
    """

    host: str = "127.0.0.1"
    port: Port = 16379
    database: Annotated[int, msgspec.Meta(ge=0)] = 0
    timeout: Seconds = 5.0


class Edge(Frozen, frozen=True):
    """What `lockstep edge` serves.

    host: Address on which devices are served.
    port: Their port.
    push_host: Address on which workers' pushes are taken; keep it inside.
    push_port: Their port.
    advertise: Host at which push workers reach this gateway.
    hello_timeout: Time that a new socket has for its hello, s.
    ping_interval: Time between two pings, s; a device silent for twice as long is dropped.
    lifetime: After so long, less a random tenth, a device is asked to connect again, s.
    lease: Life of this gateway's lease in Redis, s; its devices count as offline when it lapses.
    page_limit: Most items of one page of a pull.
    page_bytes: Most bytes of the items of one page; a first item always fits.
    waits: Most long polls that wait in this process; more are answered at once.
    wait: Longest wait of a long poll, s.
    backlog: Most notifications that a device may have missed; more are answered with 410, resync-required.
    device_rate: Requests a second that one device may make; ten times as many at once.
    frame_rate: Frames a second that one device may send on its socket; ten times as many at once.
    origins: Origins of web pages whose scripts may call, such as `https://tv.example`; `*`: of all.
    operator_host: Address on which operators are served; keep it inside.
    operator_port: Their port; 0: they are not served.
    sweep: Time between two sweeps, s: positions are compared with the heads, and devices that are behind are synced.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    push_host: str = "127.0.0.1"
    push_port: Port = 8081
    advertise: str = "127.0.0.1"
    hello_timeout: Seconds = 5.0
    ping_interval: Positive = 55
    lifetime: Seconds = 1800.0
    lease: Seconds = 12.0
    page_limit: Positive = 200
    page_bytes: Positive = 256 * 1024
    waits: Positive = 10_000
    wait: Annotated[int, msgspec.Meta(ge=1, le=60)] = 30
    backlog: Positive = 10_000
    device_rate: Annotated[float, msgspec.Meta(gt=0)] = 100.0
    frame_rate: Annotated[float, msgspec.Meta(ge=1)] = 100.0
    origins: tuple[str, ...] = ()
    operator_host: str = "127.0.0.1"
    operator_port: Port = 0
    sweep: Seconds = 300.0


class Ingest(Frozen, frozen=True):
    """Events that come to the edge over HTTP.

    callers: File with producers and operators, as `lockstep producer` makes it; read again within 10 s of a change.
    batch_events: Most events of one batch.
    batch_bytes: Most bytes of one batch; each event in it is at most `LOCKSTEP_LIMITS__EVENT_BYTES`.
    in_flight: Most events of this process that wait for Kafka; more are refused with 503.
    timeout: Longest wait for Kafka's word, s; then the answer is 503 and the event is to be sent again.
    schemas: Whether payloads must be as the schema of their event type says; `enforce` refuses the others with 400.
    """

    callers: str = ".local/keys/callers.json"
    batch_events: Positive = 500
    batch_bytes: Positive = 1024 * 1024
    in_flight: Positive = 10_000
    timeout: Seconds = 10.0
    schemas: Literal["ignore", "enforce"] = "ignore"


class Tokens(Frozen, frozen=True):
    """Device tokens: JWT signed with Ed25519.

    keys: File with the JWK Set of public keys, read again within 10 s when it changes; or its https address.
    issuer: What the claim `iss` must be.
    audience: What the claim `aud` must be, or hold.
    leeway: How far clocks may differ, s.
    longest: Longest life of a token, s; so long revocations are kept, and tokens that live longer are refused.
    revocations: Time between two looks at what was revoked elsewhere, s.
    """

    keys: str = ".local/keys/public.jwks"
    issuer: str = "lockstep"
    audience: str = "lockstep-devices"
    leeway: Seconds = 30.0
    longest: Seconds = 31 * 86_400.0
    revocations: Seconds = 5.0


class Health(Frozen, frozen=True):
    """/livez, /readyz and /metrics of this process.

    host: Address on which they are served.
    port: Their port; 0 turns them off.
    """

    host: str = "127.0.0.1"
    port: Port = 9090


class Settings(Frozen, frozen=True):
    """Everything a process may be told.

    topology: File with the topology; `topics.yaml` falls back to the copy in the package.
    topic_prefix: Put before the name of every topic and consumer group, such as `staging.`.
    data_dir: Directory for what a worker may lose.
    log_level: Least level of the logs: DEBUG, INFO, WARNING or ERROR.
    """

    topology: str = "topics.yaml"
    topic_prefix: Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]+[.-])*\Z")] = ""
    data_dir: str = ".local/data"
    log_level: str = "INFO"
    kafka: Kafka = Kafka()
    cassandra: Cassandra = Cassandra()
    redis: Redis = Redis()
    edge: Edge = Edge()
    ingest: Ingest = Ingest()
    tokens: Tokens = Tokens()
    console: Console = Console()
    health: Health = Health()
    limits: Limits = Limits()
    registry: Registry = Registry()
    apns: Apns = Apns()
    fcm: Fcm = Fcm()
    webpush: Webpush = Webpush()
    webhook: Webhook = Webhook()
    egress: Egress = Egress()


_DEFAULTS: Final = Settings()


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from variables such as LOCKSTEP_KAFKA__SERVERS; LOCKSTEP_X_FILE names a file that holds X.

    Lists, objects and whole groups are JSON; one setting overrides its group. Raises SettingsError, which names it.
    """
    tree: dict[str, Any] = {}
    for variable in sorted(environ):  # a group before the settings in it
        if variable.startswith(PREFIX) and not variable.startswith(LOCAL) and variable != failpoints.VARIABLE:
            name, text = _name_and_text(variable, environ)
            _place(tree, name, text, variable)
            if variable.endswith(_FILE) and _exists(variable):
                _place(tree, variable.removeprefix(PREFIX), environ[variable], variable)
    try:
        return msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(str(error))) from error


def _name_and_text(variable: str, environ: Mapping[str, str]) -> tuple[str, str]:
    name, text = variable[len(PREFIX) :], environ[variable]
    if not name.endswith(_FILE):
        return name, text
    plain = variable.removesuffix(_FILE)
    if plain in environ:
        raise SettingsError(f"{variable}: {plain} is set too")
    try:
        return name.removesuffix(_FILE), Path(text).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {text}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{variable}: cannot read {text}: not UTF-8") from error


def _exists(variable: str) -> bool:
    """Whether it is a setting of its own: a secret that is read again."""
    return _default(variable.removeprefix(PREFIX)) is not None


def _default(name: str) -> object:
    found: object = _DEFAULTS
    for part in name.lower().split("__"):
        found = getattr(found, part, None)
    return found


def _place(tree: dict[str, Any], name: str, text: str, variable: str) -> None:
    path = name.lower().split("__")
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise SettingsError(f"{variable}: {part} is a value, not a group of settings")
    takes_json = text[:1] in ("[", "{") and not isinstance(_default(name), str)
    tree[path[-1]] = _json(text, variable) if takes_json else text


def _json(text: str, variable: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise SettingsError(f"{variable}: not JSON: {error}") from error


def _explain(message: str) -> str:
    """The variable, then what is wrong; msgspec ends its messages with the path of the value."""
    what, _, path = message.partition(" - at `$.")
    place = path.rstrip("`")
    if what.startswith(_UNKNOWN):
        place = ".".join(filter(None, (place, what.removeprefix(_UNKNOWN).strip("`"))))
        what = "unknown setting"
    return f"{PREFIX}{place.replace('.', '__').upper()}: {what}"
