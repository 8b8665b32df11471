"""The values of a worker: what its pods are given, how it scales, and what differs for those that are shipped."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from deploy.chart.kinds import Count, Group, Maybe, Object, Percent, Period, Quantity, Seconds


class Amounts(Group):
    """An amount of both resources.

    cpu: Processors.
    memory: Bytes.
    """

    cpu: Quantity = "500m"
    memory: Quantity = "512Mi"


class Resources(Group):
    """Requests and limits of a container.

    requests: What is kept free for it; autoscaling by CPU counts in these.
    limits: The most it gets.
    """

    requests: Amounts = msgspec.field(default_factory=Amounts)
    limits: Amounts = msgspec.field(default_factory=lambda: Amounts(cpu="1", memory="1Gi"))


class Scaling(Group):
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


class Worker(Group):
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
