"""The values of what devices and operators connect to: the edge, the console, and the ways to them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from deploy.chart.kinds import Annotations, Count, Group, Host, MaybeName, Name, Quantity
from deploy.chart.workers import Resources


class Service(Group):
    """A Service.

    type: Its type.
    port: Its port.
    annotations: For the provider's load balancer.
    """

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 80
    annotations: Annotations = {}


class Ingress(Group):
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


class Parent(Group):
    """A Gateway.

    name: Its name.
    namespace: Its namespace; empty: that of the release.
    sectionName: Its listener; empty: all.
    """

    name: Name
    namespace: MaybeName = ""
    section_name: MaybeName = ""


class Route(Group):
    """An HTTPRoute of the Gateway API for devices, instead of an Ingress.

    enabled: Whether there is one.
    hosts: The names that devices use.
    parents: The Gateways it belongs to.
    """

    enabled: bool = False
    hosts: list[Host] = msgspec.field(default_factory=lambda: ["lockstep.example.org"])
    parents: list[Parent] = []


class EdgeScaling(Group):
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


class Edge(Group):
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


class ConsoleIngress(Group):
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


class Console(Group):
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
