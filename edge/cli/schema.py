"""`lockstep schema`: keyspace and tables in Cassandra."""

from __future__ import annotations

import asyncio

import click

from edge.cli.common import pass_settings
from streams.settings import Settings


@click.group()
def schema() -> None:
    """Make the keyspace and the tables of the inbox."""


@schema.command()
@pass_settings
def apply(settings: Settings) -> None:
    """Make the keyspace and the tables that Cassandra lacks; nothing is deleted."""
    from sinks.cassandra import apply_schema

    for line in asyncio.run(apply_schema(settings)):
        click.echo(line)
