"""What `lockstep audit` says of a system under test, and its metrics beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from deploy.local.pipeline import Member
from tests.e2e.system import System

PATIENCE = 60.0


def audit(system: System, since: str = "6h") -> dict[str, Any]:
    """The audit of all events so far, as the command prints it; its exit status must agree with what it says."""
    command = [sys.executable, "-m", "edge.cli", "audit", since, "0s", "--json"]
    done = subprocess.run(command, env=system.environment(), capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if found["broken"] else 0)
    return found


def settled(system: System, since: float) -> dict[str, Any]:
    """The audit from a moment on (s), once nothing is in flight any more: commits come a moment after the outputs."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = audit(system, datetime.fromtimestamp(since, UTC).isoformat())
        if found["broken"] or not any(stage["in_flight"] for stage in found["stages"]) or time.monotonic() > deadline:
            return found


def ends(member: Member) -> dict[tuple[str, str], Counter[str]]:
    """What became of the records of each stage and lane of a worker, `records` and `in-flight` beside it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{member.health_port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found: dict[tuple[str, str], Counter[str]] = {}
    names = {"lockstep_records_total": "records", "lockstep_in_flight": "in-flight", "lockstep_copies_total": "copies"}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.labels.get("end") if sample.name == "lockstep_ended_total" else names.get(sample.name)
            if name is not None:
                stage = sample.labels["stage"], sample.labels["lane"]
                found.setdefault(stage, Counter())[name] += int(sample.value)
    return found
