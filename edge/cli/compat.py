"""`lockstep compat`: whether changed schemas of event types still take what was published before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.cli.common import note

if TYPE_CHECKING:
    from streams.event_schemas import Schema

_PATH = click.Path(exists=True, path_type=Path)


@click.command()
@click.argument("old", type=_PATH)
@click.argument("new", type=_PATH)
def compat(old: Path, new: Path) -> None:
    """Check that all payloads that are good under OLD are good under NEW: two schemas, or two directories of them.

    Each line names a place where a payload of before may be refused; then the exit status is 1. With the two exchanged
    it says whether those who know OLD can read all payloads of NEW.
    """
    from streams.event_schemas import refusals

    before, after = _schemas(old, new)
    both = [type_ for type_ in before if type_ in after]
    lines = [f"{type_}: {found}" for type_ in both for found in refusals(before[type_], after[type_])]
    for line in lines:
        click.echo(line)
    for type_ in before.keys() - after.keys():
        note(f"{type_} has no schema any more: anything is taken")
    for type_ in after.keys() - before.keys():
        note(f"{type_} had no schema before: nothing to compare")
    if lines:
        raise click.ClickException(f"not compatible: {len(lines)} places where payloads of before may be refused")
    click.echo(f"compatible: {len(both)} compared")


def _schemas(old: Path, new: Path) -> tuple[dict[str, Schema], dict[str, Schema]]:
    from streams.event_schemas import read_directory, read_schema

    if old.is_dir() and new.is_dir():
        return read_directory(old), read_directory(new)
    if old.is_dir() or new.is_dir():
        raise click.ClickException("OLD and NEW are two files, or two directories")
    return {new.stem: read_schema(old)}, {new.stem: read_schema(new)}
