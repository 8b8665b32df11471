"""Replays a tenfold burst against the shipped autoscaling and against KEDA's defaults: `make bench-scaling`.

A model, no measurement: events wait in one queue, a pod takes `capacity` events a second, each change of the number of
pods pauses the whole group. The autoscaler is that of Kubernetes as KEDA drives it: every 15 s, a tenth of tolerance,
stabilization windows, limits on the steps.
"""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from deploy.chart.workers import WORKERS, Worker

PERIOD = 15  # s between two looks of the autoscaler
TOLERANCE = 0.1
START = 20  # s until a new pod takes records
PAUSE = 4  # s that a rebalance stops the group
COMMIT = 1.0  # s between two commits
PARTITIONS = 48
CAPACITY = 2000  # events/s of a pod
BEFORE, BURST, AFTER = 1200, 300, 5100  # s
STEADY = 4000  # events/s; ten times that in the burst
LATE = 5.0  # s


@dataclass(frozen=True)
class Step:
    """How fast pods may come or go: so many percent, or so many pods, in a period; after a window."""

    percent: int
    seconds: int
    stabilization: int
    pods: int = 0

    def most(self, pods: int) -> int:
        """Largest change from so many pods."""
        return max(math.ceil(pods * self.percent / 100), self.pods, 1)


@dataclass(frozen=True)
class Policy:
    """What an autoscaler is told. `age` 0: no trigger on the age of the oldest event."""

    low: int
    high: int
    lag: float
    age: float
    up: Step
    down: Step


#: KEDA's and the autoscaler's own: a lag of ten records a pod, all pods may go at once.
DEFAULTS = Policy(1, PARTITIONS, 10, 0, Step(100, 15, 0, 4), Step(100, 15, 300))


def shipped(worker: str) -> Policy:
    """The policy of the chart's values for a worker, in a cluster with an age trigger."""
    values = msgspec.convert(_merged(msgspec.to_builtins(Worker()), WORKERS.get(worker, {})), Worker).scaling
    return Policy(
        low=values.min,
        high=values.max or PARTITIONS,
        lag=CAPACITY * values.lag_seconds,
        age=values.age_seconds,
        up=Step(values.up_percent, values.up_seconds, values.up_stabilization),
        down=Step(values.down_percent, values.down_seconds, values.down_stabilization),
    )


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    return {**base, **{k: _merged(base[k], v) if isinstance(v, dict) else v for k, v in over.items()}}


@dataclass
class Run:
    """One replay."""

    policy: Policy
    pods: int
    arrived: float = 0.0
    done: float = 0.0
    committed: float = 0.0
    before: float = 0.0  # done at the commit before
    paused: int = 0
    worst: float = 0.0
    late: int = 0
    rebalances: int = 0
    pod_seconds: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=deque)  # arrived so far, by second
    wanted: deque[tuple[int, int]] = field(default_factory=deque)  # second, wish
    moved: deque[tuple[int, int]] = field(default_factory=deque)  # second, change
    starting: deque[tuple[int, int]] = field(default_factory=deque)  # second at which it is there, pods

    def second(self, now: int, rate: float) -> None:
        """One second passes."""
        self.arrived += rate
        self.marks.append((self.arrived, now))
        self._serve(now)
        age = self._age(now)
        self.worst = max(self.worst, age)
        self.late += age > LATE
        self.pod_seconds += self.pods + sum(pods for _, pods in self.starting)
        if now % PERIOD == 0:
            self._scale(now, age)

    def _serve(self, now: int) -> None:
        while self.starting and self.starting[0][0] <= now:
            self.pods += self.starting.popleft()[1]
            self._rebalance()
        if self.paused:
            self.paused -= 1
        else:
            self.done = min(self.arrived, self.done + self.pods * CAPACITY)
        if now % max(1, round(COMMIT)) == 0:  # what came since the commit before still counts as lag
            self.committed, self.before = self.before, self.done

    def _age(self, now: int) -> float:
        while self.marks and self.marks[0][0] <= self.done + 1e-6:
            self.marks.popleft()
        return float(now - self.marks[0][1]) if self.marks else 0.0

    def _rebalance(self) -> None:
        self.rebalances += 1
        self.paused = PAUSE

    def _scale(self, now: int, age: float) -> None:
        policy, current = self.policy, self.pods + sum(pods for _, pods in self.starting)
        wish = max(self._by_lag(current), self._by_age(current, age))
        self.wanted.append((now, min(max(wish, policy.low), policy.high)))
        horizon = now - max(policy.up.stabilization, policy.down.stabilization)
        while self.wanted[0][0] < horizon:
            self.wanted.popleft()
        up = min(w for at, w in self.wanted if at >= now - policy.up.stabilization)
        down = max(w for at, w in self.wanted if at >= now - policy.down.stabilization)
        if up > current:
            self._move(now, min(up - current, self._left(now, current, policy.up, 1)))
        elif down < current:
            self._move(now, -min(current - down, self._left(now, current, policy.down, -1)))

    def _left(self, now: int, current: int, step: Step, sign: int) -> int:
        """How far the policy still lets it go: what was done within the period counts."""
        while self.moved and self.moved[0][0] <= now - 3600:
            self.moved.popleft()
        done = sum(change for at, change in self.moved if at > now - step.seconds and change * sign > 0)
        return max(0, step.most(current - done) - abs(done))

    def _move(self, now: int, change: int) -> None:
        if not change:
            return
        self.moved.append((now, change))
        if change > 0:
            self.starting.append((now + START, change))
        else:
            self.pods += change
            self._rebalance()

    def _by_lag(self, current: int) -> int:
        lag = min(self.arrived - self.committed, self.policy.lag * self.policy.high)
        ratio = lag / (self.policy.lag * current)
        return current if abs(ratio - 1) <= TOLERANCE else math.ceil(lag / self.policy.lag)

    def _by_age(self, current: int, age: float) -> int:
        if not self.policy.age:
            return 0
        ratio = age / self.policy.age
        return current if abs(ratio - 1) <= TOLERANCE else math.ceil(current * ratio)


def replay(policy: Policy) -> dict[str, float]:
    """Worst wait (s), time with a wait over 5 s (s), rebalances and pod-hours of the burst and what is around it."""
    run = Run(policy, max(policy.low, math.ceil(STEADY / CAPACITY)))
    for now in range(BEFORE + BURST + AFTER):
        if now == BEFORE:
            run.worst, run.late = 0.0, 0  # the start of the model is no burst
        run.second(now, STEADY * (10 if BEFORE <= now < BEFORE + BURST else 1))
    assert abs(run.arrived - STEADY * (BEFORE + 10 * BURST + AFTER)) < 1, "every event arrived once"
    assert run.done <= run.arrived
    return {
        "worst_wait_s": round(run.worst, 1),
        "late_s": run.late,
        "rebalances": run.rebalances,
        "pod_hours": round(run.pod_seconds / 3600, 1),
        "left": round(run.arrived - run.done),
    }


def main() -> None:
    """Print a line for each policy; the last line is JSON."""
    policies = {"keda-defaults": DEFAULTS}
    policies |= {"defaults, lag of 5 s": replace(DEFAULTS, lag=5 * CAPACITY)}
    policies |= {f"shipped: {name}": shipped(name) for name in WORKERS}
    headroom = math.ceil(10 * STEADY / CAPACITY / 2.5)
    policies[f"critical, min {headroom}"] = replace(shipped("critical"), low=headroom)
    found = {name: replay(policy) for name, policy in policies.items()}
    columns = {"worst_wait_s": "worst wait", "late_s": "s late", "rebalances": "rebalances", "pod_hours": "pod-hours"}
    print(f"{'policy':<24}" + "".join(f"{title:>12}" for title in columns.values()))
    for name, each in found.items():
        print(f"{name:<24}" + "".join(f"{each[column]:>12}" for column in columns))
    print(json.dumps({"benchmark": "scaling", "model": True, "capacity": CAPACITY, "policies": found}))


if __name__ == "__main__":
    main()
