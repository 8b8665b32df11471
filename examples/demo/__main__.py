"""`make demo`: boots everything, plays the six use cases in a household, says what became of each event."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.config import LocalError, default_config
from deploy.local.pipeline import Member, Pipeline, ProcessFailed, environment
from deploy.local.ports import is_free
from deploy.local.servers import start
from examples.demo.play import Play
from streams.check import load_file
from streams.settings import Settings, read_settings
from streams.topology import Topology

ROOT = Path(__file__).parents[2]
NEXT = """
It stays up. Try, in another terminal:
  export PATH="$PWD/.venv/bin:$PATH"
  lockstep listen my-tv --account me --type tv              # be a television
  lockstep send --account me --type member.plan.changed --data '{{"plan":"premium"}}'
  lockstep trace {partition}:{offset}                                      # what became of an event
  lockstep pull phone-2 --account household-7 --type phone
  curl -s localhost:9090/metrics | grep lockstep_outcomes
A token of the television, for a client of your own: lockstep token tv --account household-7 --type tv
Ctrl-C stops the workers; `make down` stops Kafka, Cassandra and Redis."""


def main() -> int:
    """Run the demo; the exit status says whether every expected outcome was seen."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--once", action="store_true", help="end after the scenario")
    once: bool = parser.parse_args().once
    try:
        with pipeline() as (running, settings):
            topology = load_file(settings.topology)
            members = boot(running, topology)
            play = Play(settings, topology, running.directory / "keys" / "private.jwk")
            good = asyncio.run(play.run())
            if not once and good:
                print(NEXT.format(partition=play.place[0], offset=play.place[1]))
                wait_for_the_end(members)
            return 0 if good else 1
    except (LocalError, ProcessFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def pipeline() -> Iterator[tuple[Pipeline, Settings]]:
    """Servers that are up, and a pipeline that is not yet."""
    config = default_config()
    endpoints = start(config, report=print).endpoints
    directory = config.home / "demo"
    variables = {
        **environment(endpoints.kafka, endpoints.cassandra, endpoints.redis, directory, 8080, 8081),
        "LOCKSTEP_TOPOLOGY": str(ROOT / "topics.yaml"),
    }
    taken = [port for port in (8080, 8081, *range(9090, 9096)) if not is_free(port)]
    if taken:
        raise LocalError(f"port {taken[0]} is taken: stop what listens there, a demo in another terminal perhaps")
    with Pipeline(variables, directory) as running:
        yield running, read_settings(variables)


def boot(running: Pipeline, topology: Topology) -> list[Member]:
    """Make topics, schema and keys; start the edge and all workers."""
    begun = time.monotonic()
    running.command("topics", "apply")
    running.command("schema", "apply")
    running.command("token", "nobody", "--account", "nobody", "--type", "tv")
    members = [running.edge(), *(running.worker(name) for name in topology.workers)]
    running.wait_ready(members)
    print(f"lockstep  up in {time.monotonic() - begun:.1f} s: edge, {', '.join(topology.workers)}\n")
    return members


def wait_for_the_end(members: list[Member]) -> None:
    """Return never; raise ProcessFailed when a process ends, KeyboardInterrupt on Ctrl-C."""
    while True:
        for member in members:
            if not member.alive:
                raise ProcessFailed(f"{member.name} ended with {member.process.returncode}:\n{member.tail()}")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
