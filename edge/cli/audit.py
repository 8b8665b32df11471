"""`lockstep audit`: proof that of a range of time nothing vanished."""

from __future__ import annotations

import click

from edge.cli.common import end, pass_settings, topology_of
from edge.cli.convert import when
from streams.settings import Settings


@click.command()
@click.argument("since", metavar="FROM")
@click.argument("until", metavar="TO")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_settings
def audit(settings: Settings, since: str, until: str, as_json: bool) -> None:
    """Prove for the events of a range that in = out + in flight at every stage, and name those that break it.

    FROM and TO are RFC 3339 times, or durations back from now: `lockstep audit 1h 0s` is the last hour. The exit
    status is 1 when something is broken. Needs some 80 bytes of memory for each event of the fullest partition.
    """
    from edge.oncall.audit_text import as_object, lines
    from edge.oncall.auditing import Auditor

    topology = topology_of(settings)
    begin, stop = when(since), when(until)
    found = Auditor(settings, topology).audit(begin, stop)
    if as_json:
        click.echo(as_object(found, begin, stop))
    else:
        click.echo("\n".join(lines(found, begin, stop, topology.lane_names())))
    end(0 if found.whole else 1)
