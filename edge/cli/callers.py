"""`lockstep producer` and `lockstep operator`: tokens for those who call the edge and are no device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.common import note, pass_settings
from streams.settings import Settings

if TYPE_CHECKING:
    from edge.auth.callers import Caller, Right


@click.command()
@click.argument("name")
@click.option("--type", "types", multiple=True, required=True, help="Event type, or a pattern with *; may be repeated.")
@click.option("--rate", default=1000.0, show_default=True, help="Events a second, for each edge process.")
@click.option("--burst", type=float, help="Events at once.  [default: twice the rate]")
@pass_settings
def producer(settings: Settings, name: str, types: tuple[str, ...], rate: float, burst: float | None) -> None:
    """Let NAME publish over HTTP: print a fresh token, and write its digest into the file of LOCKSTEP_INGEST__CALLERS.

    A producer of that name gets the new token in place of those it had.
    """
    from edge.auth.callers import Producer, digest, fresh_token

    token = fresh_token("producer")
    burst = 2 * rate if burst is None else burst
    _put(settings, Producer(name=name, tokens=(digest(token),), types=types, rate=rate, burst=burst), token)


@click.command()
@click.argument("name")
@click.option("--write", is_flag=True, help="May change and erase, not only look.")
@click.option("--payload", is_flag=True, help="May see the data of events in the console, which may be private.")
@pass_settings
def operator(settings: Settings, name: str, write: bool, payload: bool) -> None:
    """Let NAME operate lockstep: print a fresh token, and write its digest into the file of LOCKSTEP_INGEST__CALLERS.

    The token is for the operators' port of the edge and for the console. An operator of that name gets the new one in
    place of those it had.
    """
    from edge.auth.callers import Operator, digest, fresh_token

    token = fresh_token("operator")
    asked: list[tuple[Right, bool]] = [("read", True), ("write", write), ("payload", payload)]
    may = tuple(right for right, given in asked if given)
    _put(settings, Operator(name=name, tokens=(digest(token),), may=may), token)


def _put(settings: Settings, caller: Caller, token: str) -> None:
    from edge.auth.callers import put

    path = Path(settings.ingest.callers)
    put(path, caller)
    note(f"wrote {caller.name} into {path}")
    click.echo(token)
