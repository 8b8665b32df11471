"""`make bench-plots`: the pictures of docs/performance.md, drawn from the results that `make bench-keep` has kept.

Each picture holds, as its `Source`, a digest of what it was drawn from: a test tells by it whether it is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from bench.kept import RESULTS, ROOT, digest

IMAGES: Final = ROOT / "docs" / "images"
_OURS, _OTHERS, _INK = "#c2410c", "#a8a29e", "#292524"
_STAGES: Final = ("#7c2d12", "#c2410c", "#f97316", "#fdba74", "#a8a29e")
_PEERS: Final = {
    "stock Faust": "ratio_stock_faust",
    "best Python peer": "ratio_best_python_peer",
    "Kafka Streams, RocksDB": "ratio_kafka_streams",
    "bare loop, no state": "ratio_raw",
}
_GROWTH: Final = {
    "accounts": "accounts",
    "devices": "devices of an account, online",
    "partitions": "partitions of each topic",
    "lanes": "lanes in use",
    "keys": "keys in the table `seen`",
}


def route(kept: Mapping[str, Any]) -> Figure:
    """Events a CPU second of the router, beside its peers in the same run."""
    figures = kept["route"]["figures"]
    ours = figures["events_per_cpu_s"]
    bars = {"lockstep": ours} | {name: ours / figures[key] for name, key in _PEERS.items() if figures[key]}
    figure, axes = _sheet("Routing: events a CPU second", 7.5, 2.8)
    names = sorted(bars, key=lambda name: bars[name])
    drawn = axes.barh(names, [bars[name] for name in names], color=[_colour(name) for name in names])
    axes.bar_label(drawn, labels=[f"{bars[name]:,.0f}" for name in names], padding=4, color=_INK)
    axes.set_xlim(0, max(bars.values()) * 1.15)
    axes.set_xticks([])
    return figure


def pipeline(kept: Mapping[str, Any]) -> Figure:
    """CPU of an event from its topic to a socket, by stage."""
    figures = kept["pipeline"]["figures"]
    figure, axes = _sheet("An event to one row and one push: CPU by stage, us", 7.5, 1.7)
    left = 0.0
    for (stage, cost), colour in zip(figures["by_stage"].items(), _STAGES, strict=False):
        axes.barh([""], [cost], left=left, color=colour)
        label = f"{stage}\n{cost:.1f}"
        axes.text(left + cost / 2, 0, label, ha="center", va="center", color="white" if colour < "#d" else _INK)
        left += cost
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def growth(kept: Mapping[str, Any]) -> Figure:
    """How the cost of an event grows."""
    figures = kept["growth"]["figures"]
    figure = Figure(figsize=(11, 2.8), layout="constrained")
    figure.suptitle("How the cost grows: us an event, all processes; for keys, ns a judgement", color=_INK)
    for place, (what, label) in enumerate(_GROWTH.items(), 1):
        axes = figure.add_subplot(1, len(_GROWTH), place)
        sizes = [int(size) for size in figures[what]]
        axes.plot(sizes, list(figures[what].values()), marker="o", color=_OURS)
        axes.set_xscale("log", base=10 if sizes[-1] >= 10_000 else 2)
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(0, max(figures[what].values()) * 1.25)
        axes.set_xlabel(label, color=_INK)
        _bare(axes)
    return figure


#: By the picture's name: what draws it, and the results that it needs.
PICTURES: Final[Mapping[str, tuple[Callable[[Mapping[str, Any]], Figure], tuple[str, ...]]]] = {
    "route": (route, ("route",)),
    "pipeline": (pipeline, ("pipeline",)),
    "growth": (growth, ("growth",)),
}


def draw(name: str, directory: Path) -> Path:
    """Draw one picture into a directory."""
    drawer, needs = PICTURES[name]
    sources = [RESULTS / f"{need}.json" for need in needs]
    figure = drawer({need: json.loads(source.read_text()) for need, source in zip(needs, sources, strict=True)})
    path = directory / f"bench-{name}.png"
    figure.savefig(path, dpi=144, metadata={"Software": None, "Source": digest([Path(__file__), *sources])})
    return path


def _sheet(title: str, width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, color=_INK, loc="left")
    _bare(axes)
    return figure, axes


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_INK)


def _colour(name: str) -> str:
    return _OURS if name == "lockstep" else _OTHERS


def _short(size: int) -> str:
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if size >= unit:
            return f"{size // unit}{name}"
    return str(size)


def main() -> int:
    """Draw those whose results are kept."""
    IMAGES.mkdir(exist_ok=True)
    for name, (_, needs) in PICTURES.items():
        if all((RESULTS / f"{need}.json").exists() for need in needs):
            print(draw(name, IMAGES).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
