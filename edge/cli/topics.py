"""`lockstep topics`: the topics of the cluster against topics.yaml."""

from __future__ import annotations

import click

from edge.cli.common import pass_settings, topology_of
from streams.settings import Settings


@click.group()
def topics() -> None:
    """Show and make the topics of topics.yaml; nothing is ever deleted."""


@topics.command()
@pass_settings
def plan(settings: Settings) -> None:
    """Show which topics the cluster lacks or has otherwise; exit status 1 if some of it cannot be made."""
    from streams import admin

    changes = admin.plan(topology_of(settings), settings)
    for change in changes:
        click.echo(str(change))
    refused = sum(change.kind == "refused" for change in changes)
    if refused:
        raise click.ClickException(f"{refused} of {len(changes)} differences cannot be made")
    click.echo(f"{len(changes)} to make: lockstep topics apply" if changes else "nothing to do")


@topics.command()
@pass_settings
def apply(settings: Settings) -> None:
    """Make the topics that the cluster lacks; nothing is deleted."""
    from streams import admin

    changes = admin.plan(topology_of(settings), settings)
    admin.apply(changes, settings)
    for change in changes:
        click.echo(str(change))
    click.echo(f"{len(changes)} made" if changes else "nothing to do")
