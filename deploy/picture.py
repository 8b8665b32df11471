"""docs/pipeline.svg: the way of events, drawn from topics.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from streams.topology import Topology, bind, milliseconds

#: Fill and line of a lane, highest first; more lanes begin again.
_COLOURS: Final = (("#fde2e1", "#c62828"), ("#fdebd3", "#c77700"), ("#dcebfb", "#1565c0"), ("#e7e9ee", "#5b6472"))
_WIDTH: Final = 1240
_TOP: Final = 78
_ROW: Final = 62
_PLATFORM_ROW: Final = 34
#: What stands where, from left to right: left edge and width.
_PRODUCERS: Final = (14, 92)
_SOURCE: Final = (126, 66)
_ROUTER: Final = (212, 104)
_WORKERS: Final = (348, 676)
_CELLS: Final = ((358, 118), (492, 62), (570, 150), (736, 56), (808, 130), (954, 56))
_EDGE: Final = (1044, 88)
_DEVICES: Final = (1146, 82)
_PUSHERS: Final = (954, 104)
_STYLE: Final = """  <style>
    text { font: 12px system-ui, sans-serif; fill: #1f2933; text-anchor: middle; }
    .small { font-size: 11px; fill: #52606d; }
    .left { text-anchor: start; }
    .card { fill: #ffffff; }
    .box { fill: #f4f6f8; stroke: #7b8794; }
    .stage { fill: #ffffff; stroke: #3e4c59; }
    .topic { fill: #fffbe6; stroke: #b7a44a; }
    .store { fill: #e6f4ea; stroke: #4c8a5f; }
    .line { fill: none; stroke: #52606d; stroke-width: 1.2; marker-end: url(#end); }
    .back { stroke-dasharray: 4 3; }
  </style>
  <defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
    <path d="M0 0 8 4 0 8z" fill="#52606d"/></marker></defs>"""


def picture(topology: Topology) -> str:
    """The whole drawing, SVG."""
    outside = [name for name in topology.platforms if name not in _socket_platforms(topology)]
    lanes_end = _TOP + _ROW * len(topology.lanes)
    platforms_end = lanes_end + 12 + _PLATFORM_ROW * len(outside)
    height = platforms_end + 96
    title = "producers to devices: " + ", ".join(topology.workers)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{title}">',
        _STYLE,
        f'  <rect class="card" width="{_WIDTH}" height="{height}" rx="10"/>',
        *_heads(),
        *_source(topology, _TOP + _ROW * len(topology.lanes) / 2),
        *(line for number in range(len(topology.lanes)) for line in _lane(topology, number)),
        *_edge(lanes_end),
        *(line for number, name in enumerate(outside) for line in _platform(topology, name, number, lanes_end)),
        *_stores(lanes_end, platforms_end),
        *_sides(topology, lanes_end, platforms_end),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def stages(topology: Topology) -> list[str]:
    """The stages that an event passes, in order: each reads what the one before it writes."""
    (source,) = (name for name, spec in topology.topics.items() if spec.edge == "producers")
    readers = {spec.reads: name for name, spec in topology.stages.items()}
    found, topic = [], source
    while topic in readers and readers[topic] not in found:
        found.append(readers[topic])
        writes = topology.stages[found[-1]].writes
        topic = next((name for name in writes if name in readers and readers[name] not in found), "")
        if ".retry" in topic:  # a second try is no step of the way
            break
    return found


def _socket_platforms(topology: Topology) -> set[str]:
    """Platforms that the workers of the lanes push to themselves."""
    return {each for spec in topology.workers.values() if spec.lanes for each in spec.platforms}


def _worker(topology: Topology, lane: str) -> str:
    return next(name for name, spec in topology.workers.items() if lane in spec.lanes)


def _heads() -> Iterator[str]:
    for text, (x, width) in (
        ("services", _PRODUCERS),
        ("worker: decides the lane", _ROUTER),
        ("one worker a lane: scaled, stopped and late by itself", _WORKERS),
        ("gateways", _EDGE),
        ("devices", _DEVICES),
    ):
        yield _text(x + width / 2, 34, text, "small")
    legend = ((14, "stage", "a stage"), (98, "topic", "a topic of Kafka"), (232, "store", "a store"))
    for x, kind, text in legend:
        yield f'  <rect class="{kind}" x="{x}" y="50" width="14" height="12" rx="{6 if kind == "topic" else 2}"/>'
        yield _text(x + 20, 60, text, "small left")


def _source(topology: Topology, middle: float) -> Iterator[str]:
    first = stages(topology)[0]
    worker = next(name for name, spec in topology.workers.items() if first in spec.stages)
    (x, width), source = _ROUTER, topology.stages[first].reads
    yield _box("box", _PRODUCERS, middle - 24, 48, "producers", "CloudEvents")
    yield _topic(_SOURCE, middle - 14, source)
    yield f'  <rect class="box" x="{x}" y="{middle - 46}" width="{width}" height="92" rx="6"/>'
    yield _text(x + width / 2, middle - 30, worker)
    yield _stage((x + 14, width - 28), middle - 16, first)
    yield _text(x + width / 2, middle + 34, "bad, old, twice?", "small")
    yield _line((sum(_PRODUCERS), middle), (_SOURCE[0], middle))
    yield _line((sum(_SOURCE), middle), (x + 14, middle))


def _lane(topology: Topology, number: int) -> Iterator[str]:
    lane, spec = list(topology.lanes.items())[number]
    fill, line = _COLOURS[number % len(_COLOURS)]
    top, middle = _TOP + _ROW * number, _TOP + _ROW * number + _ROW / 2 + 5
    (x, width), platform = _WORKERS, min(_socket_platforms(topology))
    yield f'  <rect x="{x}" y="{top + 3}" width="{width}" height="{_ROW - 6}" rx="6" fill="{fill}" stroke="{line}"/>'
    window = milliseconds(spec.window)
    merges = f": what meets within {spec.window} merges" if window else ": nothing waits"
    yield _text(x + 10, top + 15, _worker(topology, lane) + merges, "small left")
    source = _TOP + _ROW * len(topology.lanes) / 2
    yield _line((sum(_ROUTER), source + (number - 1.5) * 12), (_CELLS[0][0], middle))
    for at, stage in enumerate(stages(topology)[1:]):
        reads = bind(topology.stages[stage].reads, lane, platform)
        yield _topic(_CELLS[2 * at], middle - 12, reads, height=24)
        yield _stage(_CELLS[2 * at + 1], middle - 12, stage, height=24)
        yield _line((sum(_CELLS[2 * at]), middle), (_CELLS[2 * at + 1][0], middle))
        if at:
            yield _line((sum(_CELLS[2 * at - 1]), middle), (_CELLS[2 * at][0], middle))
    yield _line((sum(_CELLS[-1]), middle), (_EDGE[0], middle))


def _edge(lanes_end: int) -> Iterator[str]:
    height = lanes_end - _TOP - 6
    middle = _TOP + 3 + height / 2
    yield _box("box", _EDGE, _TOP + 3, height, "edge", "sockets, polls")
    yield _box("box", _DEVICES, _TOP + 3, height, "devices", "TVs, phones")
    yield _line((sum(_EDGE), middle - 30), (_DEVICES[0], middle - 30))
    yield _line((_DEVICES[0], middle + 34), (sum(_EDGE), middle + 34), "back")


def _platform(topology: Topology, platform: str, number: int, lanes_end: int) -> Iterator[str]:
    worker = next(name for name, spec in topology.workers.items() if platform in spec.platforms and not spec.lanes)
    top = lanes_end + 12 + _PLATFORM_ROW * number
    middle = top + _PLATFORM_ROW / 2
    yield _topic(_CELLS[4], middle - 12, f"push.{platform}.*", height=24)
    yield _stage(_PUSHERS, middle - 12, worker, height=24)
    yield _box("box", _DEVICES, middle - 12, 24, platform)
    (x, width) = _CELLS[3]
    yield _line((x + width / 2 + 8, lanes_end - 18), (_CELLS[4][0], middle), bend=True)
    yield _line((sum(_CELLS[4]), middle), (_PUSHERS[0], middle))
    yield _line((sum(_PUSHERS), middle), (_DEVICES[0], middle))


def _stores(lanes_end: int, platforms_end: int) -> Iterator[str]:
    (x, width) = _CELLS[3]
    at = x + width / 2 - 10
    yield _box("store", (540, 158), lanes_end + 22, 36, "Cassandra: the inbox", "1. the row is acked")
    yield _box("store", (540, 158), lanes_end + 70, 36, "Redis", "2. heads, 3. who is online")
    yield _line((at, lanes_end - 18), (698, lanes_end + 40), bend=True)
    yield _line((at + 8, lanes_end - 18), (698, lanes_end + 88), bend=True)
    low = platforms_end + 14
    yield f'  <path class="line back" d="M540 {lanes_end + 40}H524V{low}H{_EDGE[0] + _EDGE[1] / 2:g}V{lanes_end - 3}"/>'
    yield _text(850, low + 16, "pull: what a push missed, or who was off", "small")


def _sides(topology: Topology, lanes_end: int, platforms_end: int) -> Iterator[str]:
    top, router_end = platforms_end + 30, _TOP + _ROW * len(topology.lanes) / 2 + 46
    for x, start, name, about in (
        (sum(_ROUTER) - _ROUTER[1] / 2, router_end, "dead-letters", "with the original bytes"),
        (446, lanes_end - 3, "outcomes", "of every stage, acks and pulls"),
    ):
        yield f'  <path class="line" d="M{x:g} {start:g}V{top}"/>'
        yield _topic((x - 60, 120), top, name)
        yield _text(x, top + 44, about, "small")


def _box(kind: str, span: tuple[float, float], top: float, height: float, *lines: str) -> str:
    x, width = span
    parts = [f'  <rect class="{kind}" x="{x}" y="{top}" width="{width}" height="{height}" rx="4"/>']
    middle = top + height / 2 + 4 - 7 * (len(lines) - 1)
    for number, line in enumerate(lines):
        parts.append(_text(x + width / 2, middle + 14 * number, line, "small" if number else ""))
    return "\n".join(parts)


def _topic(span: tuple[float, float], top: float, name: str, height: int = 28) -> str:
    x, width = span
    shape = f'  <rect class="topic" x="{x}" y="{top}" width="{width}" height="{height}" rx="{height // 2}"/>'
    return shape + "\n" + _text(x + width / 2, top + height / 2 + 4, name)


def _stage(span: tuple[float, float], top: float, name: str, height: int = 32) -> str:
    return _box("stage", span, top, height, name)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'  <text{style} x="{x:g}" y="{y:g}">{escape(text)}</text>'


def _line(start: tuple[float, float], end: tuple[float, float], kind: str = "", *, bend: bool = False) -> str:
    """An arrow: straight, or down and then across."""
    (x, y), (to_x, to_y) = start, end
    way = f"M{x:g} {y:g}V{to_y:g}H{to_x:g}" if bend else f"M{x:g} {y:g}L{to_x:g} {to_y:g}"
    return f'  <path class="{f"line {kind}".strip()}" d="{way}"/>'
