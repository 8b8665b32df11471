"""docs/metrics.md: every metric of every process, from the code that exports it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from edge import health, prober
from edge.console.health import Health
from streams import worker
from streams.client_metrics import ClientMetrics
from streams.metrics import Described, Metrics
from streams.topology import Topology

_HEAD: Final = """# Metrics

`/metrics` on the health port of each process ([operations](operations.md#health)), in the format of Prometheus. A
counter only rises and begins at 0 with its process; a histogram has the samples `_bucket`, `_count` and `_sum`. What is
worth an alert has one, with its [runbook](runbooks.md); the dashboards of the chart show the rest.

Written by `make reference` from the code; `make lint` fails when it is stale. The tests scrape every process of a
running lockstep and find nothing that is not here.
"""
_WORKERS: Final = """In every scrape, for each stage and lane: records = copies + the sum of ended + in flight
([audit](audit.md#the-same-sums-as-metrics))."""
_STORES: Final = "Of workers and edges, as the process sees its own requests."


class _Unread:
    """What exporters are handed here: they look at it only when somebody scrapes."""

    def __getattr__(self, name: str) -> _Unread:
        return self


def metrics_page(topology: Topology) -> str:
    """The whole page."""
    parts = [
        _HEAD,
        *_section("Workers", _WORKERS, _of_workers(topology)),
        *_section("Edge", "", _of_edge()),
        *_section("Stores", _STORES, _of_stores()),
        *_section("Prober", "", _of_prober()),
        *_section("Console", "", _of_console()),
    ]
    return "\n".join(parts)


def _section(title: str, about: str, metrics: Metrics) -> Iterator[str]:
    yield f"## {title}\n"
    if about:
        yield f"{about}\n"
    yield "| name | kind | labels | meaning |\n|---|---|---|---|"
    yield from (_row(each) for each in metrics.described())
    yield ""


def _row(each: Described) -> str:
    return f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {each.meaning} |"


def _of_workers(topology: Topology) -> Metrics:
    made, unread = Metrics(), _unread()
    made.stage("", "")
    worker.export(made, unread, dict.fromkeys(topology.tables, unread))
    worker.export_agents(made, unread, {}, "", topology)
    return made


def _of_edge() -> Metrics:
    made, unread = Metrics(), _unread()
    health.export(unread, unread, unread, unread, (), made)
    return made


def _of_stores() -> Metrics:
    made = Metrics()
    for store in ("redis", "cassandra"):
        ClientMetrics(store).export(made)
    return made


def _of_prober() -> Metrics:
    made = Metrics()
    prober.export(made, _unread())
    return made


def _of_console() -> Metrics:
    made = Metrics()
    Health(_unread(), _unread()).export(made)
    return made


def _unread() -> Any:
    return _Unread()
