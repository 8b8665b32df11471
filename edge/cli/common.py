"""What all commands share: settings read once, the topology, errors of one line."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from streams.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from streams.topology import Topology

#: Errors that these define say what is wrong and are shown without a trace; any other error is a defect.
_OURS: Final = ("streams.", "agents.", "sinks.", "edge.", "lockstep_client.")


class Group(click.Group):
    """A group whose commands may raise any error that lockstep defines, and OSError."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; known errors become one line on stderr and exit status 1."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error
        except Exception as error:
            if type(error).__module__.startswith(_OURS):
                raise click.ClickException(str(error)) from error
            raise


def read_environment(environ: Mapping[str, str]) -> Settings:
    """Settings of the process. Raises ClickException."""
    try:
        return read_settings(environ)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error


def topology_of(settings: Settings, handlers: bool = False) -> Topology:
    """The topology of the settings' file. Raises TopologyError."""
    from streams.check import load_file

    return load_file(settings.topology, settings, handlers)


def until_told(
    work: Coroutine[Any, Any, None], loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
) -> None:
    """Run, on such a loop, until the work is done or the process is told to stop, which is no error."""

    async def run() -> None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())


def note(text: str) -> None:
    """A word for the person at the terminal, beside the output."""
    click.echo(text, err=True)


def end(status: int) -> None:
    """End the command with an exit status."""
    if status:
        sys.exit(status)


def leave(status: int) -> NoReturn:
    """End the process with an exit status, and wait for no thread: one may wait for a server that is not there."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


pass_settings = click.make_pass_decorator(Settings)
