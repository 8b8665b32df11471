"""An edge whose keys of tokens come from an address."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.auth.tokens import PRIVATE, BadKeys, generate_keys, issue
from edge.server import running
from streams.settings import Settings
from streams.topology import Topology
from tests.integration.edge.conftest import House, Houses
from tests.unit.edge.auth.test_jwks import issuing


@pytest.fixture
def base_keys(base_settings: Settings) -> bytes:
    """The public keys that all edges of the folder have in a file."""
    return Path(base_settings.tokens.keys).read_bytes()


async def test_tokens_of_keys_from_an_address(
    houses: Houses, base_settings: Settings, base_keys: bytes, tmp_path: Path
) -> None:
    """Are taken as those of a file are; those of other keys are refused."""
    own, (others, _) = Path(base_settings.tokens.keys), generate_keys(tmp_path / "others")

    async def asked(house: House, private: Path) -> int:
        token = issue(private, house.settings.tokens, "tv-1", house.account, "tv", 60)
        headers = {"Authorization": f"Bearer {token}"}
        async with house.http.get(f"{house.base}/v1/devices/tv-1", headers=headers) as response:
            return response.status

    async with issuing() as issuer:
        issuer.text = base_keys
        house = await houses.open(keys=issuer.address)
        await house.register("tv-1")
        assert await asked(house, own.parent / PRIVATE) == 200
        assert await asked(house, others) == 401


async def test_an_edge_without_keys_does_not_start(base_settings: Settings, topology: Topology) -> None:
    """It says which address gave none."""
    async with issuing() as issuer:
        issuer.status = 500
        settings = replace(base_settings, tokens=replace(base_settings.tokens, keys=issuer.address))
        with pytest.raises(BadKeys, match="/jwks"):
            async with running(settings, topology):
                pass
