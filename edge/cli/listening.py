"""A device that holds a socket for as long as it runs, and prints what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec
from lockstep_client import Device as Client

from edge.cli.common import note
from edge.cli.device import Device


class Listener:
    """Runs a device until it has what it waits for."""

    def __init__(self, device: Device, ack: bool, count: int | None) -> None:
        self._left = count
        self._client = Client(
            device.url, device.id, device.token, device.type, device.app_version,
            cursors=device.cursors, resync=_resync, watch=_print, ack=ack,
        )  # fmt: skip

    async def run(self) -> None:
        """Listen until `count` notifications have come, or for ever. Raises what no other try mends."""
        await self._client.run(self._took)

    def _took(self, item: Mapping[str, Any]) -> None:
        if self._left is not None:
            self._left -= 1
            if not self._left:
                self._client.stop()


def _resync() -> None:
    note("what was missed is no longer kept; starting afresh")


def _print(frame: Mapping[str, Any]) -> None:
    if frame["type"] == "retrying":
        note(f"{frame['why']}; again in {frame['after']:.1f} s")
    else:
        click.echo(msgspec.json.encode(frame))
