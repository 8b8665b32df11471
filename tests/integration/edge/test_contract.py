"""The running edge keeps docs/openapi.json: schemathesis asks it whatever the document allows, and what it does not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from deploy.local.ports import free_ports
from edge.contracts import contract
from edge.contracts.openapi import OPERATIONS
from streams.settings import Settings
from tests.integration.edge.conftest import House, Houses
from tests.integration.edge.test_ingest import STRUCTURED, event, producer
from tests.integration.edge.test_ingest import post as publish
from tests.integration.edge.test_operators import operator
from tests.integration.edge.test_pull import get
from tests.unit.fakes import ROOT

#: Requests for each operation, and the end of it, s; a request that hangs is a failure long before.
EXAMPLES: Final = 15
TIME_S: Final = 8
DEADLINE_S: Final = 120
#: 400 is said of what no schema can say, such as whether an account has a use for it: positive data may be refused.
CHECKS: Final = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,ignored_auth"
)
CONFIG: Final = """
[parameters]
"path.id" = "tv-1"
wait = 0

[generation]
deterministic = true
"""


async def schemathesis(base: str, directory: Path, tag: str, token: str) -> None:
    """Run it over the operations of a tag; its report is shown where it finds something."""
    config = directory / "schemathesis.toml"
    config.write_text(CONFIG)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config), "run",
        str(ROOT / "docs" / "openapi.json"), "--url", base, "--include-tag", tag, "--checks", CHECKS,
        "-H", f"Authorization: Bearer {token}", "--max-examples", str(EXAMPLES), "--max-time", str(TIME_S),
        "--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--suppress-health-check", "all",
        "--no-shrink", "--warnings", "off",
        cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    report = said.decode(errors="replace")
    assert process.returncode == 0, report[-6000:]
    meant = sum(operation.tag == tag for operation in OPERATIONS)
    assert f"Tested: {meant}\n" in report, report


@pytest.mark.parametrize("tag", ["devices", "producers"])
async def test_the_edge_keeps_its_document(houses: Houses, base_settings: Settings, tmp_path: Path, tag: str) -> None:
    """Whatever is sent: no status, header, media type or body that the document does not have."""
    token = producer(base_settings)
    house = await houses.open(device_rate=10_000.0)
    await house.register("tv-1")
    await schemathesis(house.base, tmp_path, tag, token if tag == "producers" else house.token("tv-1"))


async def test_the_port_of_operators_keeps_its_document(
    houses: Houses, base_settings: Settings, tmp_path: Path
) -> None:
    """Accounts that nobody has are erased and revoked: that is no error."""
    token, port = operator(base_settings, "read", "write"), free_ports(1)[0]
    await houses.open(operator_port=port)
    await schemathesis(f"http://127.0.0.1:{port}", tmp_path, "operators", token)


async def test_answers_have_the_members_that_are_written_down(house: House) -> None:
    """Answers that hold something, read strictly by their types."""
    await house.store(1, 1)
    read: Any = msgspec.convert
    _, page, _ = await get(house, "tv-1/notifications")
    assert len(read(page, contract.Page).items) == 1
    _, described, _ = await get(house, "tv-1")
    assert read(described, contract.OneDevice).device.id == "tv-1"
    _, problem, _ = await get(house, "tv-2")
    assert read(problem, contract.Problem).type == "urn:lockstep:problem:wrong-device"
    async with house.client("tv-2") as other:
        assert read(await other.register("tv", "1.0"), contract.Registration).device.id == "tv-2"


async def test_results_have_the_members_that_are_written_down(houses: Houses, base_settings: Settings) -> None:
    """Of what was taken, and of what was not."""
    token = producer(base_settings)
    house = await houses.open()
    answered = await publish(house, token, event(house, "good"), STRUCTURED)
    assert msgspec.convert(answered.body, contract.Published).results[0].status == 202
    answered = await publish(house, token, event(house, "bad", type="no.such"), STRUCTURED)
    assert msgspec.convert(answered.body, contract.NotPublished).results[0].status == 400
