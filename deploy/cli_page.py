"""docs/cli.md: every command of `lockstep`, from the commands themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

import click

from edge.cli import main

_HEAD: Final = """# Command line

`lockstep COMMAND`; `lockstep COMMAND --help` says the same. Where the servers are comes from the environment
([settings](settings.md)); by itself everything is on this machine, as `make up` boots it. [Exit
status](operations.md#exit-status): 0 done, 1 refused in one line, 2 wrong use.

Written by `make reference` from `edge/cli/`; `make lint` fails when it is stale.
"""


def cli_page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_index(), *(line for command in _leaves(main, "") for line in _command(*command))])


def _leaves(command: click.Command, before: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with what is typed for it."""
    if not isinstance(command, click.Group):
        yield before, command
        return
    for name, each in command.commands.items():
        yield from _leaves(each, f"{before} {name}".strip())


def _index() -> Iterator[str]:
    yield "| command | |\n|---|---|"
    for name, command in _leaves(main, ""):
        yield f"| [`{name}`](#lockstep-{name.replace(' ', '-')}) | {_paragraphs(command)[0].rstrip('.')} |"
    yield ""


def _command(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"lockstep {name}")
    yield f"## lockstep {name}\n"
    yield f"`{' '.join(['lockstep', name, *command.collect_usage_pieces(context)])}`\n"
    for paragraph in _paragraphs(command):
        yield f"{paragraph}\n"
    options = [each for each in command.get_params(context) if isinstance(each, click.Option) and each.name != "help"]
    if options:
        yield "| option | |\n|---|---|"
        yield from (_option(context, each) for each in options)
        yield ""


def _option(context: click.Context, option: click.Option) -> str:
    shown, about = option.get_help_record(context) or ("", "")
    return f"| `{_cell(shown)}` | {_cell(about)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _paragraphs(command: click.Command) -> list[str]:
    return [" ".join(each.split()) for each in inspect.cleandoc(command.help or "").replace("\b", "").split("\n\n")]
