"""The group `lockstep`; heavy imports stay inside its commands, so that help is quick."""

from __future__ import annotations

import os

import click

from edge.cli.audit import audit
from edge.cli.callers import operator, producer
from edge.cli.check import check
from edge.cli.common import Group, read_environment
from edge.cli.compat import compat
from edge.cli.console import console
from edge.cli.dlq import dlq
from edge.cli.listen import listen
from edge.cli.prober import prober
from edge.cli.pull import pull
from edge.cli.run import run
from edge.cli.schema import schema
from edge.cli.seal import seal
from edge.cli.send import send
from edge.cli.serve import edge
from edge.cli.token import token
from edge.cli.topics import topics
from edge.cli.trace import trace


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Rapid event notification: keeps all the devices of a member in step.

    Settings come from the environment: LOCKSTEP_KAFKA__SERVERS, LOCKSTEP_TOPOLOGY and so on.
    """
    ctx.obj = read_environment(os.environ)


COMMANDS = (
    run, edge, console, check, compat, topics, schema, send, listen, pull, token, producer, operator, seal, trace,
    audit, dlq, prober,
)  # fmt: skip
for command in COMMANDS:
    main.add_command(command)
