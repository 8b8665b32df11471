"""`lockstep listen`: be a device that is on."""

from __future__ import annotations

import click

from edge.cli.common import until_told
from edge.cli.device import Device, device_options
from streams.settings import Settings


@click.command()
@device_options
@click.option("--no-ack", is_flag=True, help="Take what comes and say nothing.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many notifications.")
def listen(settings: Settings, device: Device, no_ack: bool, count: int | None) -> None:
    """Be DEVICE: register, hold a socket, print each frame as a JSON line, ack. Comes back when the socket ends."""
    from edge.cli.listening import Listener

    until_told(Listener(device, ack=not no_ack, count=count).run())
