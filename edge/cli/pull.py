"""`lockstep pull`: be a device that asks."""

from __future__ import annotations

import asyncio

import click
import msgspec

from edge.cli.common import note
from edge.cli.device import Device, device_options
from streams.settings import Settings


@click.command()
@device_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most items of one page.")
@click.option("--no-ack", is_flag=True, help="Take what comes and say nothing.")
def pull(settings: Settings, device: Device, limit: int, no_ack: bool) -> None:
    """Be DEVICE: register, fetch all that it missed, print each item as a JSON line, ack.

    With --state it goes on where it stopped, the first time from its registration; without, all that is kept comes.
    """
    import aiohttp

    try:
        asyncio.run(_pull(device, limit, not no_ack))
    except aiohttp.ClientError as error:
        raise click.ClickException(str(error)) from error


async def _pull(device: Device, limit: int, ack: bool) -> None:
    from lockstep_client import DeviceClient, Refused

    async with DeviceClient(device.url, device.id, device.token, device.cursors.load()) as client:
        await client.register(device.type, device.app_version)
        if not device.kept:
            client.cursor = ""  # that of its registration is behind all that it missed
        more = True
        while more:
            try:
                page = await client.pull(limit)
            except Refused as refused:
                if refused.status != 410 or not client.cursor:
                    raise
                note(f"{refused}; starting afresh")
                client.cursor = ""
                continue
            for item in page.items:
                click.echo(msgspec.json.encode(item))
            more = page.more
            if ack and page.items:
                await client.ack()
            device.cursors.save(client.cursor)
