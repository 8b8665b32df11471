"""`make demo`: boots everything, plays the six use cases in a household, says what became of each event."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.config import Config, LocalError, default_config
from deploy.local.pipeline import Member, Pipeline, ProcessFailed, environment
from deploy.local.ports import holder, is_free
from deploy.local.servers import start
from edge.oncall.audit_text import verdict
from edge.oncall.auditing import Auditor
from examples.demo.console import origins as console_origins
from examples.demo.console import start_console
from examples.demo.platforms import Providers, wake
from examples.demo.play import Play
from streams.check import TopologyError, load_file
from streams.settings import LOCAL, PREFIX, Settings, SettingsError, read_settings
from streams.topology import Topology

ROOT = Path(__file__).parents[2]
ORIGINS = "LOCKSTEP_EDGE__ORIGINS"
NEXT = """
It stays up. Look at it in the console, where you are signed in as an operator:
  {console}
Try, in another terminal:
  export PATH="$PWD/.venv/bin:$PATH"
{exports}  lockstep listen my-tv --account me --type tv              # be a television; the rest in a third
  lockstep send --account me --type member.plan.changed --data '{{"plan":"premium"}}'
  lockstep trace {partition}:{offset}                                      # why the older plan change was dropped
  lockstep pull phone-2 --account household-7 --type phone  # all that its inbox keeps; --state remembers the place
  curl -s localhost:{metrics}/metrics | grep lockstep_outcomes  # of the router
A token of the television, for a client of your own: lockstep token tv --account household-7 --type tv
Ctrl-C stops the workers; `make down` stops Kafka, Cassandra and Redis."""


def main() -> int:
    """Run the demo; the exit status says whether every expected outcome was seen."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="end after the scenario")
    once: bool = parser.parse_args().once
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as on Ctrl-C: no process is left behind
    try:
        return perform(default_config(), once)
    except (LocalError, ProcessFailed, SettingsError, TopologyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def perform(config: Config, once: bool) -> int:
    """Boot, play, and stay unless `once`."""
    variables = settings_of(config, os.environ)
    settings = read_settings(variables)
    topology = load_file(settings.topology, settings)
    with pipeline(config, variables, settings, topology) as running, Providers() as providers:
        members = boot(running, topology, providers.variables)
        console = "" if once else look(running, members, settings)
        providers.prepare()
        play = Play(settings, topology)
        begun = int(time.time() * 1000)
        good = asyncio.run(play.run())
        good = asyncio.run(wake(settings, topology, providers)) and good
        good = audited(settings, topology, begun) and good
        if not once and good:
            exports = "".join(f"  export {name}={shlex.quote(text)}\n" for name, text in unusual(variables))
            partition, offset = play.dropped
            router = members[1].health_port
            places = {"partition": partition, "offset": offset, "metrics": router, "console": console}
            print(NEXT.format(exports=exports, **places), flush=True)
            wait_for_the_end(members)
        return 0 if good else 1


def settings_of(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Settings of every process: those of the shell, but servers, keys and topology are the demo's. SettingsError."""
    asked = {name: text for name, text in environ.items() if name.startswith(PREFIX) and not name.startswith(LOCAL)}
    return asked | own_settings(config, read_settings(asked))


def own_settings(config: Config, asked: Settings) -> dict[str, str]:
    """What the demo sets. Its keys lie where `lockstep` looks for them by default."""
    servers = config.endpoints
    ports = asked.edge.port, asked.edge.push_port
    found = environment(servers.kafka, servers.cassandra, servers.redis, config.home, *ports)
    origins = {} if asked.edge.origins else {ORIGINS: console_origins(asked)}
    return found | origins | {"LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml")}


def unusual(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What `lockstep` must be told in another terminal because it is not the default."""
    usual = Settings()
    cassandra = usual.cassandra.contact_points[0], usual.cassandra.port
    redis = usual.redis.host, usual.redis.port
    ports = usual.edge.port, usual.edge.push_port
    known = environment(usual.kafka.servers, cassandra, redis, ROOT / ".local", *ports)
    known |= {"LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml"), ORIGINS: console_origins(usual)}
    yield from ((name, text) for name, text in sorted(variables.items()) if known.get(name) != text)


@contextmanager
def pipeline(config: Config, variables: dict[str, str], settings: Settings, topology: Topology) -> Iterator[Pipeline]:
    """Servers that are up, and a pipeline that is not yet."""
    health = range(settings.health.port, settings.health.port + 2 + len(topology.workers))
    require_free((settings.edge.port, settings.edge.push_port, settings.console.port, *health))
    start(config, report=print)
    with Pipeline(variables, config.home / "demo", health) as running:
        yield running


def require_free(ports: Sequence[int]) -> None:
    """Raise LocalError unless all ports can be listened on."""
    for port in ports:
        if not port or not is_free(port):
            taken = f"is taken{holder(port)}: stop what listens there" if port else "is none"
            choice = "LOCKSTEP_EDGE__PORT, LOCKSTEP_EDGE__PUSH_PORT, LOCKSTEP_CONSOLE__PORT or LOCKSTEP_HEALTH__PORT"
            raise LocalError(f"port {port} {taken}, or choose another by {choice}")


def boot(running: Pipeline, topology: Topology, providers: Mapping[str, str]) -> list[Member]:
    """Make topics, schema and keys; start the edge and all workers, which know of the providers."""
    begun = time.monotonic()
    running.command("topics", "apply")
    running.command("schema", "apply")
    running.command("token", "nobody", "--account", "nobody", "--type", "tv")
    members = [running.edge(), *(running.worker(name, **providers) for name in topology.workers)]
    running.wait_ready(members)
    print(f"lockstep  up in {time.monotonic() - begun:.1f} s: edge, {', '.join(topology.workers)}\n")
    return members


def look(running: Pipeline, members: list[Member], settings: Settings) -> str:
    """Start the console, which becomes one of the members; its address."""
    console, address = start_console(running, members, settings)
    members.append(console)
    print(f"console   {address}\n", flush=True)
    return address


def audited(settings: Settings, topology: Topology, since: int) -> bool:
    """Whether nothing that was published since, ms, has vanished; says so."""
    found = Auditor(settings, topology).audit(since, int(time.time() * 1000) + 1)
    for defect in found.defects:
        print(f"! {defect.partition}:{defect.offset} {defect.what}")
    print(f"audit of {found.events} events: {verdict(found)}", flush=True)
    return found.whole


def wait_for_the_end(members: list[Member]) -> None:
    """Return never; raise ProcessFailed when a process ends, KeyboardInterrupt on Ctrl-C."""
    while True:
        for member in members:
            if not member.alive:
                raise ProcessFailed(f"{member.name} ended with {member.process.returncode}:\n{member.tail()}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
