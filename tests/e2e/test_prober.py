"""The synthetic prober against the whole system."""

from __future__ import annotations

import re

from tests.e2e.system import System


async def test_one_round_goes_through_every_lane(running: System) -> None:
    """`lockstep prober --once` ends with 0 and says how long each lane took; a second round does so too."""
    url = f"http://127.0.0.1:{running.pipeline.environment['LOCKSTEP_EDGE__PORT']}"
    for _ in range(2):
        said = running.pipeline.command("prober", "--url", url, "--once", "--timeout", "60s")
        assert [line.split()[0] for line in said.splitlines()] == ["critical", "high", "normal", "low"]
        assert all(re.fullmatch(r"\w+ +\d+ ms", line) for line in said.splitlines())
