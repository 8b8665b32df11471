"""Policies: what topics.yaml says of a use case, resolved for each of its event types."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.targets import parse_version
from streams.topology import Lane, Merge, Topology, TypeRule, UseCaseSpec, Wake, milliseconds, moment_ms

FROM_EVER: Final = -(2**63)


class Policy(NamedTuple):
    """The rules for one event type, resolved. Times in ms; `types` is the mask of targeted device types.

    `lanes`: (from when on, which lane), in the order of time, the first from ever.
    """

    use_case: str
    lanes: tuple[tuple[int, int], ...]
    max_age: int
    ttl: int
    collapse: bool
    types: int
    least: int
    merge: Merge = "none"
    merge_field: str = ""
    wake: Wake = "data"

    def lane_at(self, appended: int) -> int:
        """The lane of an event appended to `ingest` at this time, ms: the same on every replay."""
        lane = self.lanes[0][1]
        for start, later in self.lanes[1:]:
            if start <= appended:
                lane = later
        return lane


def policies(topology: Topology) -> dict[str, Policy]:
    """The policy of each event type; a type that is not in it is unknown."""
    return {
        event_type: _policy(topology, name, case, rule)
        for name, case in topology.use_cases.items()
        for event_type, rule in case.types.items()
    }


def _policy(topology: Topology, name: str, case: UseCaseSpec, rule: TypeRule) -> Policy:
    return Policy(
        use_case=name,
        lanes=tuple((start, topology.lane_names().index(name)) for start, name in lane_steps(rule.lane or case.lane)),
        max_age=milliseconds(case.max_age),
        ttl=milliseconds(case.ttl),
        collapse=case.collapse == "type",
        types=topology.mask(case.devices),
        least=parse_version(case.min_app_version),
        merge=case.merge,
        merge_field=case.merge_field or "",
        wake=case.wake,
    )


def lane_steps(lane: Lane) -> list[tuple[int, str]]:
    """(from when on, ms, which lane), in the order of time; the first holds from ever. Raises ValueError."""
    if isinstance(lane, str):
        return [(FROM_EVER, lane)]
    return [*lane_steps(lane.was), (moment_ms(lane.start), lane.now)]
