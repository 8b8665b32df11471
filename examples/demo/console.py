"""The console of the demo: beside its edge, with an operator who may do everything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from deploy.local.pipeline import Member, Pipeline
from edge.auth.tokens import PRIVATE
from streams.settings import Settings

OPERATOR = "demo"


def origins(settings: Settings) -> str:
    """The addresses at which browsers find the console, as the edge is told: its page has devices of its own."""
    return json.dumps([f"http://{host}:{settings.console.port}" for host in ("127.0.0.1", "localhost")])


def start_console(running: Pipeline, members: Sequence[Member], settings: Settings) -> tuple[Member, str]:
    """Start it; its process, and the address that signs the demo's operator in."""
    targets = {member.name: f"127.0.0.1:{member.health_port}" for member in members}
    key = Path(settings.tokens.keys).with_name(PRIVATE)
    own = {"LOCKSTEP_CONSOLE__TARGETS": json.dumps(targets), "LOCKSTEP_CONSOLE__PLAY_KEY": str(key)}
    console = running.start("console", "console", **own)
    token = running.command("operator", OPERATOR, "--write", "--payload").strip()
    running.wait_ready([console])
    return console, f"http://127.0.0.1:{settings.console.port}/#token={token}"
