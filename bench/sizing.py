"""`make sizing`: how many pods, partitions and bytes a load takes: a calculation from what the benchmarks measure.

`python -m bench.sizing --events 150000 --devices 300000000 [--costs FILE]`. Costs are those that `make bench-keep` has
kept in `bench/results`; FILE is JSON with fields of `Costs` that are others with you. What is computed is the load at
its peak; nothing is added for a zone that is lost, but for the headroom.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from bench.kept import figures

GIB: Final = 2**30
DAY_S: Final = 86_400
#: Numbers of partitions that divide well among pods. The number never changes, so there is room for more of them.
PARTITIONS: Final = (8, 16, 24, 48, 96, 192, 384)
ROOM: Final = 4
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Traffic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What there is to do.

    events: Events a second, at the peak.
    devices: Registered devices.
    devices_per_account: Of them each account has so many.
    online: Share of the devices that hold a socket.
    mean: Events a second over days, as a share of the peak.
    event_bytes: Bytes of an event as it is published.
    inbox_days: Days for which a row lives, on average.
    latest_per_account: Versions that `latest` keeps of an account.
    """

    events: Positive = 150_000
    devices: Positive = 300_000_000
    devices_per_account: Positive = 2.2
    online: Positive = 0.1
    mean: Positive = 0.5
    event_bytes: Positive = 450
    inbox_days: Positive = 3
    latest_per_account: Positive = 5


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it costs. Those without a default are measured; those of tables are what `make bench-state` holds them to.

    route, notify, store, push, edge: CPU an event, us.
    socket_bytes: Memory of a connection at the edge.
    edge_bytes: Memory of an edge without its connections: 97 MB for the process, 182 MB for 100,000 devices that poll,
        whose tokens, heads, rates, cursors and requests it remembers and then forgets.
    presence_bytes: Memory of a device online in Redis.
    key_bytes: Memory of a key of `seen` or `latest`.
    recovery_s_per_million: Time to read a million keys after a restart, s.
    account_bytes: Memory of an account's heads and copy of its devices in Redis.
    row_bytes: Bytes of a row of the inbox on a disk, its event left out.
    kafka_days: Days for which topics keep records; an event passes four of them.
    compression: Share that is left of what is compressed.
    replicas: Copies of all that is on disks.
    busy: Share of a core that a pod may use at the peak.
    sockets_per_pod: Connections that one edge pod holds at most.
    """

    route: Positive
    notify: Positive
    store: Positive
    push: Positive
    edge: Positive
    socket_bytes: Positive
    presence_bytes: Positive
    edge_bytes: Positive = 280_000_000
    key_bytes: Positive = 40
    recovery_s_per_million: Positive = 0.5
    account_bytes: Positive = 440
    row_bytes: Positive = 150
    kafka_days: Positive = 3
    compression: Positive = 0.5
    replicas: Positive = 3
    busy: Positive = 0.6
    sockets_per_pod: Positive = 100_000


def measured(**others: Any) -> Costs:
    """The kept results, but for these fields. Raises ValidationError for a field that does not exist or is no cost."""
    kept = {
        **figures("pipeline")["by_stage"],
        "socket_bytes": figures("edge")["idle_kib_per_connection"] * 1024,
        "presence_bytes": figures("presence")["bytes_per_device"],
    }
    return msgspec.convert(kept | others, Costs)


class Size(msgspec.Struct, frozen=True):
    """One line of the answer."""

    what: str
    amount: str
    why: str


def sizes(traffic: Traffic, costs: Costs) -> list[Size]:
    """All that the load takes. Pods have one core each, for a worker is one process."""
    routers = _pods(traffic.events * costs.route, costs)
    lanes = _pods(traffic.events * (costs.notify + costs.store + costs.push), costs)
    online = traffic.devices * traffic.online
    edges = max(_pods(traffic.events * costs.edge, costs), math.ceil(online / costs.sockets_per_pod))
    most = max(routers, lanes)
    partitions = next((number for number in PARTITIONS if number >= ROOM * most), PARTITIONS[-1])
    return [
        Size("partitions", f"{partitions}", _room(partitions, most)),
        Size("router pods", f"{routers}", f"{costs.route:g} us an event, {costs.busy:.0%} busy"),
        Size("lane pods", f"{lanes}", f"{costs.notify + costs.store + costs.push:g} us an event, over all lanes"),
        Size("edge pods", f"{edges}", f"{online:,.0f} sockets, {costs.edge:g} us an event"),
        *_memory(traffic, costs, edges),
        *_disk(traffic, costs),
    ]


def _room(partitions: int, most: int) -> str:
    if partitions < ROOM * most:
        return f"more are not foreseen, and the largest stage takes {most} pods"
    return f"room for {ROOM} times the pods of the largest stage ({most})"


def _pods(us_per_s: float, costs: Costs) -> int:
    return max(1, math.ceil(us_per_s / 1e6 / costs.busy))


def _memory(traffic: Traffic, costs: Costs, edges: int) -> list[Size]:
    accounts = traffic.devices / traffic.devices_per_account
    seen, latest = traffic.events * 600, accounts * traffic.latest_per_account
    online = traffic.devices * traffic.online
    redis = accounts * costs.account_bytes + online * costs.presence_bytes
    recovery = seen / 1e6 * costs.recovery_s_per_million
    edge = edges * costs.edge_bytes + online * costs.socket_bytes
    return [
        Size(
            "table seen", _gib(seen * costs.key_bytes), f"{seen:,.0f} ids of 10 min; {recovery:,.0f} s to read by one"
        ),
        Size("table latest", _gib(latest * costs.key_bytes), f"{latest:,.0f} versions"),
        Size("edge memory", _gib(edge), f"{_gib(edge / edges)} a pod"),
        Size("Redis memory", _gib(redis), f"{accounts:,.0f} accounts, {online:,.0f} devices online"),
    ]


def _disk(traffic: Traffic, costs: Costs) -> list[Size]:
    per_day = traffic.events * traffic.mean * DAY_S
    rows = per_day * traffic.inbox_days
    inbox = rows * (costs.row_bytes + traffic.event_bytes * costs.compression) * costs.replicas
    kafka = per_day * costs.kafka_days * 4 * traffic.event_bytes * costs.compression * costs.replicas
    return [
        Size("Cassandra disk", _gib(inbox), f"{rows:,.0f} rows, {costs.replicas:g} copies"),
        Size("Kafka disk", _gib(kafka), f"{costs.kafka_days:g} days of four topics, {costs.replicas:g} copies"),
    ]


def _gib(size: float) -> str:
    return f"{size / GIB:,.1f} GiB"


def text(found: Sequence[Size]) -> str:
    """The answer as a table, in Markdown."""
    rows = [f"| {one.what} | {one.amount} | {one.why} |" for one in found]
    return "\n".join(("| what | how much | why |", "|---|---|---|", *rows))


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = msgspec.structs.asdict(Traffic())
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, help="default %(default)s")
    parser.add_argument("--costs", type=Path, help="JSON with fields of Costs")
    given = vars(parser.parse_args(arguments))
    file = given.pop("costs")
    try:
        traffic = msgspec.convert(given, Traffic)
        costs = measured(**msgspec.json.decode(file.read_bytes(), type=dict[str, float])) if file else measured()
    except (OSError, msgspec.MsgspecError) as error:
        parser.error(str(error))
    print(text(sizes(traffic, costs)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
