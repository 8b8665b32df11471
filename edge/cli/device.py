"""What `listen` and `pull` share: who the device is, its token, and the file that keeps its cursor."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from edge.cli.common import pass_settings
from edge.cli.token import private_key
from streams.settings import Settings

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
    state: State


class State:
    """The newest cursor of a device, in a file or, without one, forgotten at the end."""

    def __init__(self, path: Path | None, device: str) -> None:
        self._path = path
        self._device = device

    @property
    def is_kept(self) -> bool:
        """Whether the next run will know where this one stopped."""
        return self._path is not None

    def read(self) -> str:
        """The cursor kept, empty if there is none. Raises ClickException for another device's file."""
        if self._path is None or not self._path.exists():
            return ""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
            device, cursor = kept["device"], kept["cursor"]
        except (msgspec.MsgspecError, KeyError) as error:
            raise click.ClickException(f"{self._path}: not written by lockstep: {error}") from error
        if device != self._device:
            raise click.ClickException(f"{self._path}: the cursor of device {device!r}")
        return cursor

    def write(self, cursor: str) -> None:
        """Keep a cursor; the file is the old or the new one, whatever happens."""
        if self._path is not None:
            new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
            new.write_bytes(msgspec.json.encode({"device": self._device, "cursor": cursor}))
            new.replace(self._path)


def device_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name a device; it is called with settings and `Device`."""

    @wraps(command)
    def called(settings: Settings, **options: Any) -> None:
        named = {name: options.pop(name) for name in ("device", "type_", "app_version", "state")}
        token = _token(settings, named["device"], named["type_"], options.pop("account"), options.pop("token"))
        url = options.pop("url") or f"http://{_host(settings)}:{settings.edge.port}"
        state = State(named["state"], named["device"])
        device = Device(named["device"], named["type_"], named["app_version"], token, url, state)
        command(settings, device, **options)

    decorated: Callable[..., None] = pass_settings(called)
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def _host(settings: Settings) -> str:
    """Where this machine reaches the edge: one that listens everywhere does so on the loopback too."""
    return "127.0.0.1" if settings.edge.host in _ANYWHERE else settings.edge.host


def _token(settings: Settings, device: str, type_: str, account: str | None, token: str | None) -> str:
    if token:
        return token
    if not account:
        raise click.UsageError("give --token, or --account for a development token")
    from edge.auth import issue

    return issue(private_key(settings.tokens), settings.tokens, device, account, type_, _TOKEN_LIFETIME)
