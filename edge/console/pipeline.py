"""The pipeline as the page draws it: lanes, stages with their workers and topics, use cases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from edge.console.answers import as_json
from edge.console.door import API
from streams.settings import Settings
from streams.topology import Topology


def edge_of(settings: Settings) -> dict[str, str]:
    """Where browsers reach the edge: over HTTP, and its socket."""
    http = settings.console.edge or f"http://{settings.edge.host}:{settings.edge.port}"
    return {"http": http, "ws": http.replace("http", "ws", 1) + "/v1/socket"}


def routes(settings: Settings, topology: Topology) -> list[web.RouteDef]:
    """GET topology."""
    return [web.get(API + "topology", _always(described(settings, topology)))]


def described(settings: Settings, topology: Topology) -> dict[str, Any]:
    """What topics.yaml says that people look at; names of topics and groups are with the prefix."""
    return {
        "lanes": topology.lane_names(),
        "windows": {name: spec.window for name, spec in topology.lanes.items()},
        "stages": [stage for worker in topology.workers for stage in _stages(settings, topology, worker)],
        "use_cases": [
            {"name": name, **msgspec.to_builtins(case), "types": list(case.types)}
            for name, case in topology.use_cases.items()
        ],
        "platforms": list(topology.platforms),
        "device_types": topology.device_types,
        "partitions": topology.partitions,
        "edge": edge_of(settings),
        "play": bool(settings.console.play_key),
    }


def _stages(settings: Settings, topology: Topology, worker: str) -> list[dict[str, Any]]:
    names = topology.lane_names()
    return [
        {
            "name": binding.stage,
            "lane": None if binding.lane is None else names[binding.lane],
            "platform": binding.platform,
            "worker": worker,
            "group": settings.topic_prefix + worker,
            "topic": settings.topic_prefix + binding.topic,
        }
        for binding in topology.bindings(worker)
    ]


def _always(value: dict[str, Any]) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        return as_json(value)

    return answer
