"""The values of the chart: names, types, limits, defaults and meanings, from which schema and pages are written."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Maybe = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
Period = Annotated[int, msgspec.Meta(ge=1, le=1800)]
Quantity = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$")]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max_length=253)]
MaybeName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", max_length=253)]
SecretName = Annotated[
    str, msgspec.Meta(pattern=r"^([a-z0-9]|\{role\})(([a-z0-9.-]|\{role\})*([a-z0-9]|\{role\}))?$", max_length=253)
]
EventType = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9][-._a-zA-Z0-9]*$", max_length=200)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[-._a-zA-Z0-9]+$")]
Label = Annotated[str, msgspec.Meta(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
LabelName = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
WorkerName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=30)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^(sha256:[0-9a-f]{64})?$")]
Host = Annotated[str, msgspec.Meta(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
Url = Annotated[str, msgspec.Meta(pattern=r"^(https?://[^\s]+)?$")]
Labels = dict[LabelName, Label]
Annotations = dict[LabelName, str]
Object = dict[str, Any]
#: Addresses of IPv4 that are nobody's on the open net, a cloud's metadata among them.
_PRIVATE: Final = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")


class _Values(msgspec.Struct, forbid_unknown_fields=True, rename="camel", kw_only=True, omit_defaults=False):
    pass


class Image(_Values):
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


class SecretKey(_Values):
    """One key of a Secret.

    secret: Its name; `{role}` in it is the role of the pod in docs/access.md, such as `critical` or `edge`.
    key: The key in it.
    """

    secret: SecretName
    key: Key


class Callers(_Values):
    """The file of `LOCKSTEP_INGEST__CALLERS`, mounted into the edge and the console.

    secret: Name of the Secret; empty: none.
    key: Its key in the Secret.
    """

    secret: MaybeName = ""
    key: Key = "callers.json"


class Amounts(_Values):
    """An amount of both resources.

    cpu: Processors.
    memory: Bytes.
    """

    cpu: Quantity = "500m"
    memory: Quantity = "512Mi"


class Resources(_Values):
    """Requests and limits of a container.

    requests: What is kept free for it; autoscaling by CPU counts in these.
    limits: The most it gets.
    """

    requests: Amounts = msgspec.field(default_factory=Amounts)
    limits: Amounts = msgspec.field(default_factory=lambda: Amounts(cpu="1", memory="1Gi"))


class Scaling(_Values):
    """How far, on what and how fast a worker scales.

    min: Fewest pods: standing headroom, since no autoscaler is quicker than a burst.
    max: Most pods; 0: as many as there are partitions, more would idle.
    lagSeconds: Work that may wait for a pod, s: the lag threshold is this times `capacity`. Above the commit interval.
    ageSeconds: Age of the oldest unprocessed event at which pods are added, s; needs `autoscaling.prometheus`.
    cpuPercent: Target of the CPU requested, for `hpa`.
    upPercent: Largest growth in one step.
    upSeconds: Time between two steps up, s.
    upStabilization: A rise must last for so long, s.
    downPercent: Largest step down; few big steps, since each costs a rebalance.
    downSeconds: Time between two steps down, s.
    downStabilization: A fall must last for so long, s.
    """

    min: Count = 2
    max: Maybe = 0
    lag_seconds: Period = 15
    age_seconds: Period = 15
    cpu_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60
    up_percent: Percent = 100
    up_seconds: Period = 15
    up_stabilization: Seconds = 0
    down_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 25
    down_seconds: Period = 300
    down_stabilization: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 600


class Worker(_Values):
    """One worker of topics.yaml: a Deployment and its autoscaler.

    enabled: Whether it runs. What nobody reads is kept for the retention of its topic.
    replicas: Pods without an autoscaler; at most as many as there are partitions.
    capacity: Events a second that one pod takes, measured with your events; thresholds come from it.
    resources: Requests and limits.
    dataSize: Size of the scratch volume; what is in it may be lost.
    graceSeconds: Time to finish and commit after SIGTERM, s; a worker ends by itself within 30.
    scaling: Its autoscaler.
    """

    enabled: bool = True
    replicas: Count = 1
    capacity: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 2000
    resources: Resources = msgspec.field(default_factory=Resources)
    data_size: Quantity = "1Gi"
    grace_seconds: Annotated[int, msgspec.Meta(ge=35, le=3600)] = 60
    scaling: Scaling = msgspec.field(default_factory=Scaling)


class Service(_Values):
    """A Service.

    type: Its type.
    port: Its port.
    annotations: For the provider's load balancer.
    """

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 80
    annotations: Annotations = {}


class Ingress(_Values):
    """An Ingress for devices; it must let sockets live for `config.edge.lifetime`.

    enabled: Whether there is one.
    className: Its class; empty: the cluster's default.
    host: The name that devices use.
    tlsSecret: Secret with the certificate; empty: no TLS here.
    annotations: For its controller.
    """

    enabled: bool = False
    class_name: MaybeName = ""
    host: Host = "lockstep.example.org"
    tls_secret: MaybeName = ""
    annotations: Annotations = {}


class Parent(_Values):
    """A Gateway.

    name: Its name.
    namespace: Its namespace; empty: that of the release.
    sectionName: Its listener; empty: all.
    """

    name: Name
    namespace: MaybeName = ""
    section_name: MaybeName = ""


class Route(_Values):
    """An HTTPRoute of the Gateway API for devices, instead of an Ingress.

    enabled: Whether there is one.
    hosts: The names that devices use.
    parents: The Gateways it belongs to.
    """

    enabled: bool = False
    hosts: list[Host] = msgspec.field(default_factory=lambda: ["lockstep.example.org"])
    parents: list[Parent] = []


class EdgeScaling(_Values):
    """How far and on what the edge scales.

    min: Fewest pods.
    max: Most pods.
    connections: Open connections of a pod at which one is added; needs `keda` and `autoscaling.prometheus`.
    cpuPercent: Target of the CPU requested.
    """

    min: Count = 2
    max: Count = 20
    connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 20_000
    cpu_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60


class Edge(_Values):
    """What devices connect to.

    replicas: Pods without an autoscaler.
    resources: Requests and limits.
    graceSeconds: Time to send all devices elsewhere after SIGTERM, s; it takes up to 20, and 5 before that.
    service: The Service of the device port.
    ingress: An Ingress.
    route: A route of the Gateway API.
    scaling: Its autoscaler.
    """

    replicas: Count = 2
    resources: Resources = msgspec.field(default_factory=Resources)
    grace_seconds: Annotated[int, msgspec.Meta(ge=30, le=3600)] = 60
    service: Service = msgspec.field(default_factory=Service)
    ingress: Ingress = msgspec.field(default_factory=Ingress)
    route: Route = msgspec.field(default_factory=Route)
    scaling: EdgeScaling = msgspec.field(default_factory=EdgeScaling)


class ConsoleIngress(_Values):
    """An Ingress for operators; its controller is to be one of `networkPolicy.operators`.

    enabled: Whether there is one.
    className: Its class; empty: the cluster's default.
    host: The name that operators use.
    tlsSecret: Secret with the certificate; empty: no TLS here.
    annotations: For its controller.
    """

    enabled: bool = False
    class_name: MaybeName = ""
    host: Host = "console.lockstep.example.org"
    tls_secret: MaybeName = ""
    annotations: Annotations = {}


class Console(_Values):
    """A page for people who operate lockstep: `lockstep console`, in one pod. Its operators are those of `callers`.

    enabled: Whether it runs.
    https: Whether browsers come by https though `ingress.tlsSecret` is empty; its cookie is never sent without.
    edge: Where browsers reach the edge; empty: at `edge.ingress` or `edge.route`, else at http://127.0.0.1:8080.
    playKey: Secret with `private.jwk`, the signing key of tokens of the page's own devices; empty: it has none.
    resources: Requests and limits.
    dataSize: Size of the scratch volume of the search index; a third more than `config.console.index_bytes`.
    volumeClaim: PersistentVolumeClaim for the index instead; empty: another pod builds it anew from the topics.
    service: The Service of its port.
    ingress: An Ingress.
    """

    enabled: bool = False
    https: bool = False
    edge: Annotated[str, msgspec.Meta(pattern=r"^(https?://[a-z0-9.-]+(:[0-9]+)?)?$")] = ""
    play_key: MaybeName = ""
    resources: Resources = msgspec.field(default_factory=Resources)
    data_size: Quantity = "3Gi"
    volume_claim: MaybeName = ""
    service: Service = msgspec.field(default_factory=Service)
    ingress: ConsoleIngress = msgspec.field(default_factory=ConsoleIngress)


class Autoscaling(_Values):
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


class Monitoring(_Values):
    """Objects for the Prometheus operator and Grafana's sidecar.

    podMonitor: Have all pods scraped.
    rules: The alerts, each with a section in docs/runbooks.md.
    dashboards: ConfigMaps that Grafana's sidecar loads.
    interval: Time between two scrapes.
    labels: Labels by which your Prometheus selects monitors and rules.
    dashboardLabels: Labels by which your Grafana selects dashboards.
    runbooks: Where the runbooks are published; alerts link there.
    """

    pod_monitor: bool = False
    rules: bool = False
    dashboards: bool = False
    interval: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+s$")] = "15s"
    labels: Labels = {}
    dashboard_labels: Labels = msgspec.field(default_factory=lambda: {"grafana_dashboard": "1"})
    runbooks: str = "docs/runbooks.md"


class NetworkPolicy(_Values):
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


class Hooks(_Values):
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


class Prober(_Values):
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


class Scheduling(_Values):
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


class Tokens(_Values):
    """The public keys of device tokens.

    secret: Secret that holds them.
    key: The key in it, a JWK Set.
    """

    secret: Name = "lockstep-tokens"
    key: Key = "public.jwks"


#: What differs for the workers of topics.yaml as shipped. Urgent lanes, and the router before all of them, grow at
#: once and shrink in few big steps, since each step costs a rebalance; `low` waits its turn.
#: `make bench-scaling` replays a burst against them.
WORKERS: Final[dict[str, Object]] = {
    "router": {
        "scaling": {"min": 3, "lagSeconds": 2, "ageSeconds": 1, "upPercent": 400, "downPercent": 50,
                    "downSeconds": 1800, "downStabilization": 1800},
    },
    "critical": {
        "scaling": {"min": 4, "lagSeconds": 2, "ageSeconds": 1, "upPercent": 400, "downPercent": 50,
                    "downSeconds": 600, "downStabilization": 900},
    },
    "high": {"scaling": {"min": 3, "lagSeconds": 5, "ageSeconds": 3, "upPercent": 400}},
    "normal": {},
    "low": {"scaling": {"min": 1, "lagSeconds": 60, "ageSeconds": 120, "upSeconds": 60, "downStabilization": 300}},
    # A provider's worker does not start without credentials: give these in secretFiles, then turn it on.
    "push-apns": {"enabled": False},
    "push-fcm": {"enabled": False},
    "push-webpush": {"enabled": False},
    "push-webhook": {},
}  # fmt: skip


class Values(_Values):
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
