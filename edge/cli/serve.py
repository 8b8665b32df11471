"""`lockstep edge`: sockets, registration and pulls of devices."""

from __future__ import annotations

import click

from edge.cli.common import pass_settings, topology_of, until_told
from streams.settings import Settings


@click.command()
@pass_settings
def edge(settings: Settings) -> None:
    """Serve devices and producers: sockets, registration, pulls, events over HTTP."""
    from uvloop import new_event_loop

    from edge.server import serve
    from streams.logs import configure_logs

    topology = topology_of(settings)
    configure_logs("edge", settings.log_level)
    until_told(serve(settings, topology), new_event_loop)
