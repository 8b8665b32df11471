"""`lockstep run WORKER`: one worker of topics.yaml, until it is told to stop."""

from __future__ import annotations

import click

from edge.cli.common import leave, pass_settings, topology_of
from streams.settings import Settings


@click.command()
@click.argument("worker")
@pass_settings
def run(settings: Settings, worker: str) -> None:
    """Run WORKER of topics.yaml until it is told to stop."""
    from streams.signals import stop_on_signals

    stop_on_signals()  # importing takes a second, and a stop may come in it
    from streams.conform import unknown
    from streams.worker import main

    topology = topology_of(settings)
    if worker not in topology.workers:
        raise click.ClickException(unknown("worker", worker, topology.workers))
    leave(main(worker, settings, topology))
