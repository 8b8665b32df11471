"""`lockstep token`: a development token for a device."""

from __future__ import annotations

from pathlib import Path

import click

from edge.cli.common import note, pass_settings
from streams.settings import Settings, Tokens


@click.command()
@click.argument("device")
@click.option("--account", required=True, help="Account of the device.")
@click.option("--type", "type_", required=True, help="Device type, such as tv.")
@click.option("--lifetime", default="1d", show_default=True, help="How long it is good: a number and s, m, h or d.")
@pass_settings
def token(settings: Settings, device: str, account: str, type_: str, lifetime: str) -> None:
    """Print a token for DEVICE, signed with the private key beside the file of LOCKSTEP_TOKENS__KEYS.

    The first use makes the key pair. For development: in production whoever signs members in issues tokens.
    """
    from edge.auth.tokens import issue
    from edge.cli.convert import seconds

    click.echo(issue(private_key(settings.tokens), settings.tokens, device, account, type_, seconds(lifetime)))


def private_key(tokens: Tokens) -> Path:
    """The signing key beside the public keys; where neither is there, both are made. Raises ClickException."""
    from edge.auth.tokens import PRIVATE, PUBLIC, generate_keys

    public = Path(tokens.keys)
    private = public.parent / PRIVATE
    if private.exists():
        return private
    if public.exists() or public.name != PUBLIC:
        raise click.ClickException(f"{private}: no signing key; tokens for {public} are issued elsewhere")
    try:
        private, public = generate_keys(public.parent)
    except FileExistsError:  # another `token` was quicker
        return private
    note(f"made {private} and {public}")
    return private
