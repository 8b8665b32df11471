"""One sampler for all pages: asks every process for its metrics once a second, while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp

from edge.console.flow.scrape import At, Pace, Scrape, parse
from streams.topology import Topology

PERIOD_S: Final = 1.0
_TIMEOUT: Final = aiohttp.ClientTimeout(total=2.0)
_RESOLVED_S: Final = 10.0  # for so long the addresses of a name are used
_MOST: Final = 4 << 20  # bytes of a page of metrics
_PORT: Final = re.compile("[0-9]{1,5}")
_LAST_PORT: Final = 65535
EDGE: Final = "edge"
ALL: Final = "all"
Address = tuple[str, int]
log = logging.getLogger(__name__)
Sample = dict[str, Any]


class BadTarget(Exception):
    """An address of LOCKSTEP_CONSOLE__TARGETS that is none; the message names it."""


def addresses(targets: Mapping[str, str]) -> dict[str, list[Address]]:
    """Host and port of each place of each process. Raises BadTarget."""
    found: dict[str, list[Address]] = {}
    for name, text in targets.items():
        for place in filter(None, (part.strip() for part in text.split(","))):
            host, _, port = place.removeprefix("http://").rstrip("/").rpartition(":")
            if not host or not _PORT.fullmatch(port) or int(port) > _LAST_PORT:
                raise BadTarget(f"LOCKSTEP_CONSOLE__TARGETS: {name}: {place!r} is not host:port")
            found.setdefault(name, []).append((host.strip("[]"), int(port)))
    return found


class Sampler:
    """Asleep while nobody looks."""

    def __init__(self, targets: Mapping[str, list[Address]], topology: Topology) -> None:
        self._targets = targets
        self._rows = _rows(topology)
        self._resolved: dict[str, tuple[float, list[Address]]] = {}
        self._before: dict[tuple[str, Address], Scrape] = {}
        self._watchers = 0
        self._task: asyncio.Task[None] | None = None
        self._sample: Sample | None = None
        self._fresh = asyncio.Condition()
        self.closed = False

    async def samples(self) -> AsyncGenerator[Sample, None]:
        """A sample each second, the first with rates after two; ends with `close`."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="sampler")
        try:
            while not self.closed:
                async with self._fresh:
                    await self._fresh.wait()
                if self._sample is not None and not self.closed:
                    yield self._sample
        finally:
            self._watchers -= 1
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._before.clear()

    async def close(self) -> None:
        """End all that wait."""
        self.closed = True
        async with self._fresh:
            self._fresh.notify_all()

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(limit=50)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as client:
            await self._all(client)  # the first one has no rates
            while True:
                await asyncio.sleep(PERIOD_S - time.monotonic() % PERIOD_S)
                try:
                    sample = self._told(await self._all(client))
                except Exception:  # a defect ends no page: the next second is another one
                    log.exception("a sample of the workers failed")
                    continue
                async with self._fresh:
                    self._sample = sample
                    self._fresh.notify_all()

    async def _all(self, client: aiohttp.ClientSession) -> dict[tuple[str, Address], tuple[Scrape | None, Scrape]]:
        """Of each process that answers: the scrape before, of the same life, and the one of now."""
        wanted = [(name, place) for name in self._targets for place in await self._places(name)]
        scrapes = await asyncio.gather(*(self._one(client, *place) for _, place in wanted))
        found = {key: scrape for key, scrape in zip(wanted, scrapes, strict=True) if scrape is not None}
        pairs = {}
        for key, scrape in found.items():
            before = self._before.get(key)
            pairs[key] = (before if before is not None and before.started == scrape.started else None), scrape
        self._before = found
        return pairs

    async def _one(self, client: aiohttp.ClientSession, host: str, port: int) -> Scrape | None:
        at = f"[{host}]" if ":" in host else host
        with suppress(aiohttp.ClientError, TimeoutError, ValueError):
            async with client.get(f"http://{at}:{port}/metrics", allow_redirects=False) as answer:
                if answer.status == 200:
                    text = await answer.content.read(_MOST)
                    while chunk := await answer.content.read(_MOST):
                        text += chunk
                        if len(text) > _MOST:
                            return None
                    return parse(text.decode(errors="replace"), time.monotonic())
        return None

    async def _places(self, name: str) -> list[Address]:
        """The addresses behind the names of a process: a headless service has one for each pod."""
        at, known = self._resolved.get(name, (0.0, []))
        if known and time.monotonic() - at < _RESOLVED_S:
            return known
        found: dict[Address, None] = {}
        for host, port in self._targets[name]:
            with suppress(OSError, UnicodeError):  # the second: it can be no name
                loop = asyncio.get_running_loop()
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                found.update({(str(answer[4][0]), port): None for answer in answers})
        self._resolved[name] = time.monotonic(), list(found)
        return list(found)

    def _told(self, pairs: Mapping[tuple[str, Address], tuple[Scrape | None, Scrape]]) -> Sample:
        paces: dict[tuple[str, At], Pace] = {}
        up: dict[str, int] = {}
        for (name, _), (before, now) in pairs.items():
            up[name] = up.get(name, 0) + 1
            for at, counts in now.stages.items():
                earlier = before.stages.get(at) if before else None
                pace = paces.setdefault((name, at), Pace())
                pace.add(earlier, counts, now.at - before.at if before else 0)
        workers = [_row(*row, up.get(row[0], 0), paces.get((row[0], row[1:]), Pace())) for row in self._rows]
        return {
            "at": int(time.time() * 1000),
            "workers": workers,
            "edge": _edge(pairs),
            "conservation": self._conservation(pairs, up),
        }

    def _conservation(self, pairs: Mapping[tuple[str, Address], tuple[Any, Scrape]], up: Mapping[str, int]) -> Sample:
        broken = [
            f"{name} at {host}:{port}: {stage} in {lane}: {counts.missing} records are missing"
            for (name, (host, port)), (_, now) in pairs.items()
            for (stage, lane), counts in now.stages.items()
            if counts.missing
        ]
        silent = sorted({row[0] for row in self._rows} - up.keys())
        if broken:
            return {"state": "broken", "detail": "; ".join(broken)}
        if not self._targets:
            return {"state": "unknown", "detail": "LOCKSTEP_CONSOLE__TARGETS names no worker"}
        if silent:
            return {"state": "unknown", "detail": f"no answer from {', '.join(silent)}"}
        return {"state": "ok", "detail": "at every stage: taken = forwarded + ended + in flight"}


def _rows(topology: Topology) -> list[tuple[str, str, str]]:
    """Worker, stage and lane of all that runs, agents of one stage and lane as one."""
    names = topology.lane_names()
    return list(
        dict.fromkeys(
            (worker, binding.stage, ALL if binding.lane is None else names[binding.lane])
            for worker in topology.workers
            for binding in topology.bindings(worker)
        )
    )


def _row(worker: str, stage: str, lane: str, processes: int, pace: Pace) -> Sample:
    return {
        "worker": worker,
        "stage": stage,
        "lane": None if lane == ALL else lane,
        "up": processes > 0,
        "processes": processes,
        "rate": round(pace.rate, 1),
        "lag": round(pace.lag),
        "oldest_age_s": round(pace.oldest, 3),
        "drops": {reason: round(rate, 2) for reason, rate in pace.drops.items()},
    }


def _edge(pairs: Mapping[tuple[str, Address], tuple[Scrape | None, Scrape]]) -> Sample:
    edges = [pair for (name, _), pair in pairs.items() if name == EDGE]
    rate = sum((now.delivered - before.delivered) / (now.at - before.at) for before, now in edges if before)
    sessions = round(sum(now.sessions for _, now in edges))
    return {"up": bool(edges), "processes": len(edges), "sessions": sessions, "rate": round(rate, 1)}
