"""Devices as values of the copy in Redis."""

from __future__ import annotations

import pytest

from sinks.devices import Device, codec, is_cached
from streams.targets import DEVICE, parse_version
from tests.unit.fakes import shipped_topology

CODEC = codec(shipped_topology())


def test_a_device_is_type_version_platform_and_token() -> None:
    """As the matcher reads them."""
    value = CODEC.encode(Device("tv", "stick", "2.14.3", token="secret"))
    assert DEVICE.unpack_from(value) == (2, parse_version("2.14.3"), 0)
    assert value[DEVICE.size :] == b"secret"


def test_a_platform_that_is_not_there_leaves_the_token_out() -> None:
    """Such a device has its inbox only."""
    assert len(CODEC.encode(Device("phone", "phone", "1", platform="pigeon", token="secret"))) == DEVICE.size


def test_an_account_without_devices_is_cached_too() -> None:
    """The mark tells it from an account that was not read."""
    assert is_cached(CODEC.copy([]))
    assert not is_cached([])
    assert not is_cached([b"tv", b""])


def test_what_is_registered_but_no_longer_known_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A type that left the topology has no bit; a version that cannot be read is the lowest."""
    assert DEVICE.unpack_from(CODEC.encode(Device("tv", "toaster", "x"))) == (0, 0, 0)
    assert "version 'x'" in caplog.text


@pytest.mark.parametrize(
    "device", [Device("", "tv", "1"), Device("tv", "toaster", "1"), Device("tv", "tv", "one"), Device("tv", "tv", "")]
)
def test_a_device_that_cannot_be_targeted_is_refused(device: Device) -> None:
    """At registration, with the reason."""
    with pytest.raises(ValueError, match=r"device|version"):
        CODEC.check(device)
