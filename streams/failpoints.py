"""Named points at which tests make a process die; in production a look-up in an empty dictionary, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Final, Literal, get_args

#: LOCKSTEP_FAIL=NAME=kill@n[;NAME=kill@n...]: the process ends by SIGKILL when it comes to NAME for the n-th time.
VARIABLE: Final = "LOCKSTEP_FAIL"

Point = Literal[
    # any worker: records were read and not handed out; outputs were queued; a commit begins; its outputs are acked by
    # the broker; its offsets are
    "transport.polled", "transport.produced", "commit.begun", "commit.flushed", "commit.done",
    # any worker: partitions were taken away and their offsets committed; others came and were not sought
    "rebalance.revoked", "rebalance.seeking",
    # a table: entries were judged, their rows not queued; their rows were queued; rows are read in recovery
    "table.judged", "table.logged", "recovery.read",
    # route and notify: all records of a batch are decoded; all outputs are queued, the outcomes are not
    "route.decoded", "route.produced", "notify.decoded", "notify.produced",
    # store: the batch is decoded; its rows are written, no head raised; heads raised and presence read, no push queued;
    # pushes queued, outcomes not
    "store.decoded", "store.written", "store.raised", "store.produced",
    # push: the batch is decoded; the gateways have answered, outcomes not queued
    "push.decoded", "push.posted",
    # the edge: sessions took a batch of pushes, the worker has no answer; outcomes wait for the broker
    "gateway.taken", "edge.reporting",
]  # fmt: skip
POINTS: Final[tuple[Point, ...]] = get_args(Point)


class BadFailpoint(Exception):
    """The variable names no failpoint, or no action; the message says which part."""


def parse(text: str) -> dict[str, int]:
    """How many times each armed point is still to be reached. Raises BadFailpoint."""
    armed: dict[str, int] = {}
    for part in filter(None, text.split(";")):
        name, _, action = part.partition("=")
        what, _, times = action.partition("@")
        if name not in POINTS or what != "kill" or not (times.isascii() and times.isdigit() and int(times)):
            raise BadFailpoint(f"{VARIABLE}: {part!r} is not NAME=kill@n with a NAME of {', '.join(POINTS)}")
        armed[name] = int(times)
    return armed


def read(environ: Mapping[str, str]) -> dict[str, int]:
    """What a process's environment arms. Raises BadFailpoint."""
    return parse(environ.get(VARIABLE, ""))


_armed: Final = read(os.environ)


def reach(name: Point) -> None:
    """Say that the process is at a point; where a test asked for it, do not come back."""
    left = _armed.get(name)
    if left is None:
        return
    _armed[name] = left - 1
    if left == 1:
        os.write(2, f"failpoint {name}: killed\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
