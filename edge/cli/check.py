"""`lockstep check`: whether topics.yaml can be used."""

from __future__ import annotations

import json

import click

from edge.cli.common import pass_settings
from streams.settings import Settings


@click.command()
@click.argument("file", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file instead.")
@pass_settings
def check(settings: Settings, file: str | None, schema: bool) -> None:
    """Check FILE, or the topology of the settings, and its schemas: every mistake, with its line."""
    from streams import check
    from streams.event_schemas import read_schemas

    if schema:
        click.echo(json.dumps(check.schema(), indent=2))
        return
    name = file or settings.topology
    topology = check.load_file(name, settings)
    schemas = read_schemas(topology, name)
    topics = len(list(topology.all_topics()))
    click.echo(
        f"{name}: {len(topology.lanes)} lanes, {len(topology.workers)} workers, {len(topology.use_cases)} use cases, "
        f"{topics} topics of {topology.partitions} partitions, "
        f"{len(schemas)} schemas"
    )
