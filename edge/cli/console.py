"""`lockstep console`: a page for people who operate lockstep."""

from __future__ import annotations

import click

from edge.cli.common import pass_settings, topology_of, until_told
from streams.settings import Settings


@click.command()
@pass_settings
def console(settings: Settings) -> None:
    """Serve the console: the pipeline live, events, accounts, dead letters, what if."""
    from edge.console.server import serve
    from streams.logs import configure_logs

    topology = topology_of(settings)
    configure_logs("console", settings.log_level)
    until_told(serve(settings, topology))
