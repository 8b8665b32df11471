"""`lockstep trace`: why a device has an event, or has it not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from edge.cli.common import note, pass_settings, topology_of
from edge.cli.convert import moment
from streams.settings import Settings

if TYPE_CHECKING:
    from edge.oncall.tracing import Place
    from streams.topology import Topology


@click.command()
@click.argument("where", required=False, metavar="[PARTITION:OFFSET | NOTIFICATION]")
@click.option("--id", "id_", help="Id of the event; needs --account.")
@click.option("--account", help="Account of the event.")
@click.option("--time", "time_", help="About when it was published: RFC 3339, or HH:MM of today, UTC.")
@click.option("--source", "source_", help="Source of the event, where several use the same id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for each event.")
@pass_settings
def trace(
    settings: Settings,
    where: str | None,
    id_: str | None,
    account: str | None,
    time_: str | None,
    source_: str | None,
    as_json: bool,
) -> None:
    """Tell what happened to an event at every stage and for every device, read from the topics themselves.

    PARTITION:OFFSET is what `send` prints; NOTIFICATION is the id of an item that a device got, 32 hex characters.
    """
    from edge.oncall.tracing import Tracer
    from edge.oncall.tracing_text import as_object, lines
    from streams.transport.client import reader

    if where is not None and (id_ or account):
        raise click.UsageError("give a place or --id and --account, not both")
    if where is not None and (time_ or source_):
        raise click.UsageError("--time and --source are for --id and --account: a place is one event")
    topology = topology_of(settings)
    place = _place(where, topology) if where is not None else None
    with reader(settings.kafka.servers, settings.kafka.security) as source:
        tracer = Tracer(settings, topology, source)
        if place is not None:
            places = [place]
        elif id_ is not None and account is not None:
            places = tracer.find(account, id_, source_, moment(time_) if time_ else None)
        else:
            raise click.UsageError("give PARTITION:OFFSET, a notification id, or --id and --account")
        if len(places) > 1 and not as_json:
            note(f"{len(places)} records of ingest have this id")
        for place in places:
            found = tracer.trace(place)
            click.echo(as_object(found) if as_json else "\n".join(lines(found)))


def _place(text: str, topology: Topology) -> Place:
    from edge.oncall.tracing import Place
    from streams.envelope import epoch_of, offset_of, origin_of

    if re.fullmatch(r"[0-9]{1,9}:[0-9]{1,18}", text):
        partition, offset = map(int, text.split(":"))
        found = Place(partition, offset)
    elif re.fullmatch(r"[0-9a-fA-F]{32}", text):
        seq, partition, topic_id = origin_of(bytes.fromhex(text))
        if epoch_of(seq) != topology.epoch:
            raise click.ClickException(f"{text}: of epoch {epoch_of(seq)}; topics.yaml has epoch {topology.epoch}")
        found = Place(partition, offset_of(seq), topic_id)
    else:
        raise click.BadParameter(f"{text!r} is neither PARTITION:OFFSET nor a notification id")
    if found.partition >= topology.partitions:
        raise click.ClickException(f"{text}: partition {found.partition}; there are {topology.partitions}")
    return found
