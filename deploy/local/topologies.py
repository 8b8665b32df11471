"""The shipped topology without providers: sockets only, a third of the topics, for systems that need to be up soon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

SHIPPED: Final = Path(__file__).parents[2] / "topics.yaml"
_SOCKET: Final = "socket"
_RETRY: Final = "push.{platform}.{lane}.retry"


def sockets_only(directory: Path, workers: Mapping[str, object] | None = None, partitions: int = 0) -> Path:
    """Write topics.yaml to `directory`: the shipped one with no platform but sockets; `workers` instead of its own.

    `partitions`: of every topic, 0 for as many as are shipped.
    """
    yaml = YAML()
    document = yaml.load(SHIPPED)
    document["platforms"] = {_SOCKET: document["platforms"][_SOCKET]}
    del document["topics"][_RETRY]
    document["stages"] = {
        name: {**stage, "writes": [topic for topic in stage["writes"] if topic != _RETRY]}
        for name, stage in document["stages"].items()
        if stage["reads"] != _RETRY
    }
    document["workers"] = workers or {
        name: worker for name, worker in document["workers"].items() if {*worker.get("platforms", [])} <= {_SOCKET}
    }
    document["partitions"] = partitions or document["partitions"]
    document["schemas"] = str(SHIPPED.parent / document["schemas"])
    directory.mkdir(parents=True, exist_ok=True)
    changed = directory / "topics.yaml"
    yaml.dump(document, changed)
    return changed
