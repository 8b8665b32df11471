"""`lockstep prober`: one synthetic event through every lane, again and again, or once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from edge.cli.common import end, pass_settings, topology_of, until_told
from edge.cli.token import private_key
from streams.settings import Settings

if TYPE_CHECKING:
    from edge.prober import Prober
    from streams.transport.logins import Logins

_TOKEN_LIFETIME: Final = 3600.0  # s; each round has a token of its own


@click.command()
@click.option("--url", required=True, help="The edge, http://HOST:PORT.")
@click.option("--device", default="prober", show_default=True, help="Device that the events are for.")
@click.option("--type", "type_", default="tv", show_default=True, help="Its type.")
@click.option("--account", default="lockstep-prober", show_default=True, help="Its account, which nobody else has.")
@click.option("--interval", default="10s", show_default=True, help="Time between two rounds: a number and s or m.")
@click.option("--timeout", default="20s", show_default=True, help="An event that takes longer is lost.")
@click.option("--once", is_flag=True, help="One round; exit status 1 if an event was lost.")
@pass_settings
def prober(
    settings: Settings, url: str, device: str, type_: str, account: str, interval: str, timeout: str, once: bool
) -> None:
    """Send one event through every lane to a device of its own, and measure when it gets there.

    Needs the signing key of device tokens beside the file of LOCKSTEP_TOKENS__KEYS.
    """
    from edge.auth.tokens import issue
    from edge.cli.convert import seconds
    from edge.ingest.outgoing import outgoing
    from edge.prober import Probe, Prober, types_of
    from streams.logs import configure_logs
    from streams.transport.client import Publisher
    from streams.transport.logins import Logins

    configure_logs("prober", settings.log_level)
    key = private_key(settings.tokens)
    publisher = Publisher(settings.kafka.servers, **settings.kafka.security)
    topic = settings.topic_prefix + "ingest"

    def publish(event: Mapping[str, Any]) -> object:
        made = outgoing(event, False, "", datetime.now(UTC).isoformat())
        return publisher.submit(topic, made.key, made.value, made.headers).result(seconds(timeout))

    probe = Probe(
        url=url,
        device=device,
        type=type_,
        token=lambda: issue(key, settings.tokens, device, account, type_, _TOKEN_LIFETIME),
        publish=publish,
    )
    made = Prober(probe, types_of(topology_of(settings, handlers=False), type_), account, seconds(timeout))
    if once:
        end(asyncio.run(_once(made)))
    else:
        until_told(_forever(made, settings, seconds(interval), Logins(settings.kafka, publisher.login)))


async def _once(prober: Prober) -> int:
    took = await prober.round()
    for lane, measured in took.items():
        click.echo(f"{lane:<10} " + (f"lost: {prober.why}" if measured is None else f"{measured * 1000:.0f} ms"))
    return 1 if None in took.values() else 0


async def _forever(prober: Prober, settings: Settings, interval: float, logins: Logins) -> None:
    from edge.prober import export
    from streams.health import Check, Probes, serve_health
    from streams.metrics import Metrics

    metrics = Metrics()
    export(metrics, prober)

    def live() -> Check:
        silent = time.monotonic() - prober.last
        return Check(silent < 60 + 2 * interval, f"last round {silent:.0f} s ago")

    with serve_health(settings.health.host, settings.health.port, Probes(live, live, metrics.registry)):
        while True:
            await prober.round()
            await asyncio.sleep(interval)
            logins.reload()
