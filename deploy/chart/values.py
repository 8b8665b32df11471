"""The values of the chart: names, types, limits, defaults and meanings, from which schema and pages are written."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from deploy.chart.front import Console, Edge
from deploy.chart.kinds import (
    Annotations,
    Count,
    Digest,
    EventType,
    Group,
    Key,
    Labels,
    Maybe,
    MaybeName,
    Name,
    Object,
    Period,
    SecretName,
    Text,
    Url,
    WorkerName,
)
from deploy.chart.workers import Worker
from deploy.monitoring.objectives import OBJECTIVES, Objective

#: Addresses of IPv4 that are nobody's on the open net, a cloud's metadata among them.
_PRIVATE: Final = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")


class Image(Group):
    """The image of all containers.

    repository: Where it is, without tag.
    tag: Empty: the version of the chart.
    digest: Pins the image, before the tag; for production.
    pullPolicy: When a node fetches it.
    pullSecrets: Names of Secrets with which it is fetched.
    """

    repository: Text = "lockstep"
    tag: Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$")] = ""
    digest: Digest = ""
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: list[Name] = []


class SecretKey(Group):
    """One key of a Secret.

    secret: Its name; `{role}` in it is the role of the pod in docs/access.md, such as `critical` or `edge`.
    key: The key in it.
    """

    secret: SecretName
    key: Key


class Callers(Group):
    """The file of `LOCKSTEP_INGEST__CALLERS`, mounted into the edge and the console.

    secret: Name of the Secret; empty: none.
    key: Its key in the Secret.
    """

    secret: MaybeName = ""
    key: Key = "callers.json"


class Tokens(Group):
    """The public keys of device tokens.

    secret: Secret that holds them.
    key: The key in it, a JWK Set.
    """

    secret: Name = "lockstep-tokens"
    key: Key = "public.jwks"


class Autoscaling(Group):
    """What sets the number of pods.

    kind: `none`: `replicas`; `hpa`: CPU; `keda`: lag and age, KEDA 2.17 or later must be installed.
    prometheus: Where KEDA asks for the age of the oldest event and for connections; empty: lag and CPU alone.
    kafkaAuthentication: Parameters of KEDA's kafka trigger (`sasl`, `tls`, `username` ...), each from a Secret.
    pollSeconds: Time between two looks of KEDA, s.
    """

    kind: Literal["none", "hpa", "keda"] = "none"
    prometheus: Url = ""
    kafka_authentication: dict[Key, SecretKey] = {}
    poll_seconds: Period = 15


class Monitoring(Group):
    """Objects for the Prometheus operator and Grafana's sidecar.

    podMonitor: Have all pods scraped.
    rules: The alerts, each with a section in docs/runbooks.md.
    dashboards: ConfigMaps that Grafana's sidecar loads.
    interval: Time between two scrapes.
    objectives: What each lane is held to by the rules, by its name; a lane of your own topology needs one too.
    labels: Labels by which your Prometheus selects monitors and rules.
    dashboardLabels: Labels by which your Grafana selects dashboards.
    runbooks: Where the runbooks are published; alerts link there.
    """

    pod_monitor: bool = False
    rules: bool = False
    dashboards: bool = False
    interval: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+s$")] = "15s"
    objectives: dict[WorkerName, Objective] = msgspec.field(default_factory=lambda: dict(OBJECTIVES))
    labels: Labels = {}
    dashboard_labels: Labels = msgspec.field(default_factory=lambda: {"grafana_dashboard": "1"})
    runbooks: str = "docs/runbooks.md"


class NetworkPolicy(Group):
    """Who may talk to whom; everything else is refused, both ways.

    enabled: Whether there are policies.
    clients: Peers that may reach the device port; empty: all.
    scrapers: Peers that may reach the metrics; empty: all of the cluster.
    operators: Peers that may reach the console; empty: the pods of its namespace.
    stores: Peers at which Kafka, Cassandra and Redis are; empty: any, on their ports.
    providers: Where the providers of push platforms are, on port 443.
    """

    enabled: bool = True
    clients: list[Object] = []
    scrapers: list[Object] = []
    operators: list[Object] = []
    stores: list[Object] = []
    providers: list[Object] = msgspec.field(
        default_factory=lambda: [{"ipBlock": {"cidr": "0.0.0.0/0", "except": list(_PRIVATE)}}]
    )


class Hooks(Group):
    """Jobs before an install or upgrade.

    topics: `lockstep topics plan`, then `apply`; a refused difference stops the release.
    schema: `lockstep schema apply`.
    deadlineSeconds: A Job that takes longer has failed, s.
    retries: Tries after the first.
    """

    topics: bool = True
    schema: bool = True
    deadline_seconds: Annotated[int, msgspec.Meta(ge=10, le=3600)] = 300
    retries: Annotated[int, msgspec.Meta(ge=0, le=20)] = 6


class Prober(Group):
    """One synthetic event a lane, sent through all of the pipeline to a device of its own.

    enabled: Run it always: the indicator of quiet hours.
    secret: Secret with the signing key of device tokens, `private.jwk`; `helm test` needs it too.
    intervalSeconds: Time between two rounds, s.
    timeoutSeconds: An event that takes longer is lost, s.
    """

    enabled: bool = False
    secret: Name = "lockstep-prober"
    interval_seconds: Count = 10
    timeout_seconds: Count = 20


class Scheduling(Group):
    """Where pods run.

    nodeSelector: Labels of nodes.
    tolerations: Taints that are tolerated.
    affinity: Affinity, as in a pod.
    priorityClass: Priority class.
    spread: Spread each worker over zones and nodes.
    """

    node_selector: Labels = {}
    tolerations: list[Object] = []
    affinity: Object = {}
    priority_class: MaybeName = ""
    spread: bool = True


class Values(Group):
    """All values of the chart.

    fullnameOverride: Begin of all names; empty: the release's.
    image: The image of all containers.
    topology: A topics.yaml of your own, whole: `--set-file topology=topics.yaml`; empty: the chart's.
    schemas: Schemas of payloads by event type, as JSON, for `config.ingest.schemas`; none: the chart's, for its own.
    partitions: Instead of topics.yaml's; never changed after the first install; 0: topics.yaml's.
    replication: Instead of topics.yaml's; 0: topics.yaml's.
    config: Settings of all processes, by group, as in docs/settings.md.
    secretFiles: Variables of docs/settings.md whose value is a key of a Secret, mounted as a file where a role uses it.
    certificates: Secret mounted at /etc/lockstep/certificates, for `ssl.ca.location` and its like; empty: none.
    tokens: The public keys of device tokens.
    callers: Producers and operators, as `lockstep producer` makes the file; none: no events by HTTP, no console.
    worker: What holds for every worker.
    workers: What differs for a worker, by its name in topics.yaml.
    edge: What devices connect to.
    console: A page for operators.
    autoscaling: What sets the number of pods.
    monitoring: Objects for Prometheus and Grafana.
    networkPolicy: Who may talk to whom.
    hooks: Jobs before an install or upgrade.
    prober: Synthetic events.
    scheduling: Where pods run.
    podAnnotations: Annotations of all pods.
    podLabels: Labels of all pods.
    extraObjects: More objects of the release; templates in them are rendered.
    """

    fullname_override: Annotated[str, msgspec.Meta(pattern=r"^([a-z]([a-z0-9-]*[a-z0-9])?)?$", max_length=30)] = ""
    image: Image = msgspec.field(default_factory=Image)
    topology: str = ""
    schemas: dict[EventType, Text] = {}
    partitions: Maybe = 0
    replication: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    config: Object = msgspec.field(
        default_factory=lambda: {
            "kafka": {"servers": "kafka:9092"},
            "cassandra": {"contact_points": ["cassandra"], "port": 9042},
            "redis": {"host": "redis", "port": 6379},
        }
    )
    secret_files: dict[str, SecretKey] = {}
    certificates: MaybeName = ""
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    callers: Callers = msgspec.field(default_factory=Callers)
    worker: Worker = msgspec.field(default_factory=Worker)
    workers: dict[WorkerName, Worker] = {}
    edge: Edge = msgspec.field(default_factory=Edge)
    console: Console = msgspec.field(default_factory=Console)
    autoscaling: Autoscaling = msgspec.field(default_factory=Autoscaling)
    monitoring: Monitoring = msgspec.field(default_factory=Monitoring)
    network_policy: NetworkPolicy = msgspec.field(default_factory=NetworkPolicy)
    hooks: Hooks = msgspec.field(default_factory=Hooks)
    prober: Prober = msgspec.field(default_factory=Prober)
    scheduling: Scheduling = msgspec.field(default_factory=Scheduling)
    pod_annotations: Annotations = {}
    pod_labels: Labels = {}
    extra_objects: list[Object] = []
