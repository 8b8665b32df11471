"""Registration on stores in memory: how many devices an account may have."""

from __future__ import annotations

from typing import Any, cast

import pytest
from aiohttp.test_utils import TestClient, TestServer

from edge.auth.identity import Identity
from edge.devices import Devices
from edge.server import api
from edge.stores import Stores
from sinks.devices import Device
from sinks.seal import Seal
from streams.sizes import MAX_DEVICES
from tests.unit.edge.doubles import ME, FakeLease
from tests.unit.edge.stores import FakeHeads, FakeInbox, FakePresence
from tests.unit.fakes import shipped_topology


class Mine:
    """Access for one device."""

    def device(self, request: object) -> Identity:
        """Whoever asks."""
        return ME


class Full:
    """A registry of an account that has so many devices."""

    def __init__(self, *devices: str) -> None:
        self.devices = {device: Device(device, "tv", "1.0", registered=7) for device in devices}

    async def get(self, account: str, device: str) -> Device | None:
        """As the real one does."""
        return self.devices.get(device)

    async def put(self, account: str, device: Device) -> None:
        """As the real one does."""
        self.devices[device.id] = device

    async def is_full(self, account: str) -> bool:
        """As the real one does."""
        return len(self.devices) >= MAX_DEVICES


OTHERS = [f"phone-{number}" for number in range(2 * MAX_DEVICES)]


@pytest.mark.parametrize(
    ("devices", "status"),
    [
        (OTHERS[: MAX_DEVICES - 1], 201),
        (OTHERS[:MAX_DEVICES], 409),
        ([ME.device, *OTHERS[: MAX_DEVICES - 1]], 200),
        ([ME.device, *OTHERS], 200),
    ],
)
async def test_an_account_has_so_many_devices_and_no_more(devices: list[str], status: int) -> None:
    """One that is registered may always say what has changed."""
    registry = Full(*devices)
    stores = Stores(*cast(Any, (registry, FakeInbox(), FakeHeads(), FakePresence(), FakeLease())))
    door = Devices(shipped_topology(), stores, cast(Any, Mine()), Seal(""))
    async with TestClient(TestServer(api([door.routes()]))) as client:
        body = {"type": "tv", "app_version": "2.0"}
        async with client.put(f"/v1/devices/{ME.device}", json=body) as response:
            assert response.status == status
            answer = await response.json(content_type=None)
    if status == 409:
        assert answer["type"] == "urn:lockstep:problem:too-many-devices"
        assert answer["detail"] == "at most 128: delete one that is gone"
        assert ME.device not in registry.devices
    else:
        assert registry.devices[ME.device].app_version == "2.0"
