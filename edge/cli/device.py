"""What `listen` and `pull` share: who the device is, its token, and the file that keeps its cursor."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from edge.cli.common import pass_settings
from edge.cli.token import private_key
from streams.settings import Settings

if TYPE_CHECKING:
    from lockstep_client import Cursors

_TOKEN_LIFETIME: Final = 86_400.0  # s
_ANYWHERE: Final = (str(IPv4Address(0)), str(IPv6Address(0)))
_OPTIONS = (
    click.argument("device"),
    click.option("--account", help="Account of the device; makes a development token."),
    click.option("--type", "type_", default="tv", show_default=True, help="Device type."),
    click.option("--app-version", default="1.2", show_default=True, help="Version of its app."),
    click.option("--token", envvar="LOCKSTEP_DEVICE_TOKEN", help="Token of the device, else one of `lockstep token`."),
    click.option("--url", help="The edge.  [default: that of the settings]"),
    click.option("--state", type=click.Path(dir_okay=False, path_type=Path), help="File that keeps the cursor."),
)


class Device(NamedTuple):
    """A device as it was named on the command line."""

    id: str
    type: str
    app_version: str
    token: str
    url: str
    cursors: Cursors
    kept: bool  # whether the next run will know where this one stopped


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a device; it is called with settings and `Device`."""

    @wraps(command)
    def called(settings: Settings, **options: Any) -> None:
        named = {name: options.pop(name) for name in ("device", "type_", "app_version", "state")}
        token = _token(settings, named["device"], named["type_"], options.pop("account"), options.pop("token"))
        url = options.pop("url") or f"http://{_host(settings)}:{settings.edge.port}"
        cursors = _cursors(named["state"], named["device"])
        kept = named["state"] is not None
        device = Device(named["device"], named["type_"], named["app_version"], token, url, cursors, kept)
        command(settings, device, **options)

    decorated: Callable[..., None] = pass_settings(called)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _cursors(path: Path | None, device: str) -> Cursors:
    """The newest cursor of a device, in a file or, without one, forgotten at the end. Raises BadFile."""
    from lockstep_client import CursorFile, Cursors

    return Cursors() if path is None else CursorFile(path, device)


def _host(settings: Settings) -> str:
    """Where this machine reaches the edge: one that listens everywhere does so on the loopback too."""
    return "127.0.0.1" if settings.edge.host in _ANYWHERE else settings.edge.host


def _token(settings: Settings, device: str, type_: str, account: str | None, token: str | None) -> str:
    if token:
        return token
    if not account:
        raise click.UsageError("give --token, or --account for a development token")
    from edge.auth.tokens import issue

    return issue(private_key(settings.tokens), settings.tokens, device, account, type_, _TOKEN_LIFETIME)
