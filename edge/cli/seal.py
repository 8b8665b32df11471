"""`lockstep seal`: keys that seal the tokens of platforms, and tokens that are to be sealed anew."""

from __future__ import annotations

import asyncio

import click

from edge.cli.common import end, pass_settings, topology_of
from streams.settings import Settings
from streams.topology import Topology


@click.group()
def seal() -> None:
    """Keep the tokens of platforms sealed: see docs/operations.md."""


@seal.command()
@click.argument("name")
def key(name: str) -> None:
    """Print a fresh key whose id is NAME, to be put into the JWK Set of LOCKSTEP_REGISTRY__TOKEN_KEYS."""
    from sinks.seal import fresh_key

    click.echo(fresh_key(name))


@seal.command()
@pass_settings
def tokens(settings: Settings) -> None:
    """Seal with the first key what is kept in clear or with another one. May run at any time, and again."""
    end(asyncio.run(_reseal(settings, topology_of(settings))))


async def _reseal(settings: Settings, topology: Topology) -> int:
    """1 where tokens are left that no key opens."""
    from sinks import cassandra, redis
    from sinks.devices import Registry
    from sinks.resealing import reseal
    from sinks.seal import SETTING, Seal

    if not settings.registry.token_keys:
        raise click.ClickException(f"{SETTING} is not set")
    made = Seal(settings.registry.token_keys)
    async with cassandra.connect(settings) as disk, redis.connect(settings) as memory:
        done = await reseal(disk, await Registry.open(disk, memory, topology), made)
    click.echo(f"{done.tokens} tokens: {done.sealed} sealed anew, {done.closed} that no key here opens")
    return 1 if done.closed else 0
