"""kill -9 of every worker and of the edge under load: nothing acked is lost, nothing is visible twice."""

from __future__ import annotations

from collections.abc import Callable

from deploy.local.pipeline import Member
from tests.e2e.run import EVENTS, run_load
from tests.e2e.system import WORKERS, System

RATE = 4000.0


def killer(system: System, members: dict[str, Member], name: str) -> Callable[[], None]:
    """An action: kill -9 the member of that name and start another one at once."""

    def act() -> None:
        members[name].kill()
        members[name] = system.pipeline.edge() if name == "edge" else system.pipeline.worker(name)

    return act


async def test_kill_of_every_process_in_the_middle_of_the_load(system: System, tell: Callable[[str], None]) -> None:
    """Each worker and the edge die once, one after the other, while events go on coming."""
    members = system.start()
    names = (*WORKERS, "edge")
    share = EVENTS // (len(names) + 2)
    actions = {share * (place + 1): killer(system, members, name) for place, name in enumerate(names)}
    result = await run_load(system, actions, RATE)
    assert result.verdict.good, str(result.verdict)
    assert result.audit["defects"] == []
    assert (result.audit["events"], result.audit["ends"].get("in flight", 0)) == (EVENTS, 0)
    tell(f"{EVENTS} events, {len(names)} kills, {result.repeats} repeats on the wire, none visible")


async def test_two_members_in_one_group_through_rebalances(system: System, tell: Callable[[str], None]) -> None:
    """A second router and a second lane worker join, one of each dies, the other leaves in order and is replaced."""
    system.start()
    second: dict[str, Member] = {}
    share = EVENTS // 10

    def join(name: str) -> Callable[[], None]:
        def act() -> None:
            second[name] = system.pipeline.worker(name)

        return act

    def first(name: str) -> Member:
        return next(member for member in system.pipeline.members if member.name == name)

    result = await run_load(system, {
        share: join("router"),
        2 * share: join("normal"),
        3 * share: lambda: first("router").kill(),
        4 * share: lambda: second["normal"].kill(),
        5 * share: join("router"),
        6 * share: lambda: first("normal").process.terminate(),
        7 * share: join("normal"),
        8 * share: lambda: second["router"].process.terminate(),
    }, RATE)  # fmt: skip
    assert result.verdict.good, str(result.verdict)
    assert result.audit["defects"] == []
    assert (result.audit["events"], result.audit["ends"].get("in flight", 0)) == (EVENTS, 0)
    tell(f"{EVENTS} events, 8 rebalances, {result.repeats} repeats on the wire, none visible")
