"""The worker that the transport's tests run as a process of its own."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from streams.fresh import Replays
from streams.transport import Chain, add_agent, attach, make_app, run, stats
from tests.integration.transport.stages import Seen, forward, route, stopping

REPORT_EVERY = 0.1  # seconds
#: What each kind of worker reads from another stage, and writes for one.
CHAINS = {
    "router": ((), ("events.a", "events.b")),
    "lane": (("events.a", "notifications.a"), ("notifications.a", "push.a")),
}


class Options(msgspec.Struct, kw_only=True):
    """What a test asks of a worker."""

    kind: str  # router or lane
    prefix: str
    servers: str
    datadir: str
    report: str  # file that gets one JSON line for each report
    partitions: int = 4
    session_timeout: float = 6.0
    commit_interval: float = 0.5
    poll: int = 1000
    notify_pause: float = 0.0
    store_pause: float = 0.0
    fail_at: int = -1
    stop_partition: int = -1  # that `notify` does not go on with
    copies: int = 100_000
    origin: str = ""  # the topic whose offsets commits count in
    producer: dict[str, int | str] = {}


def build(options: Options, counts: Counter[str]) -> Any:
    """The app of a worker, with its agents."""
    app = make_app(
        options.prefix + options.kind,
        options.servers,
        partitions=options.partitions,
        datadir=Path(options.datadir),
        commit_interval=options.commit_interval,
        session_timeout=options.session_timeout,
        rebalance_timeout=20.0,
        max_poll_records=options.poll,
    )
    at = options.prefix
    output = attach(app, producer_config=options.producer, chain=chain_of(options)).output
    if options.kind == "router":
        seen = Seen(app, output, options.partitions)
        app.tables.add(seen)
        add_agent(app, "route", at + "ingest", route(output, seen, (at + "events.a", at + "events.b"), counts))
    else:
        replays = [Replays(at + name, options.copies) for name in ("events.a", "notifications.a")]
        notify = forward(
            "notify", output, at + "notifications.a", counts, options.notify_pause, options.fail_at, replays[0]
        )
        notify = stopping(notify, options.stop_partition)
        add_agent(app, "notify", at + "events.a", notify)
        store = forward("store", output, at + "push.a", counts, options.store_pause, -1, replays[1])
        add_agent(app, "store", at + "notifications.a", store)
    return app


def chain_of(options: Options) -> Chain:
    """The topics of a worker in which sessions begin with a marker."""
    reads, writes = CHAINS[options.kind]
    return Chain(
        frozenset(options.prefix + name for name in reads),
        frozenset(options.prefix + name for name in writes),
        options.origin,
    )


def report(app: Any, counts: Counter[str], path: str) -> None:
    """Append a line of JSON to `path`, over and over."""
    with Path(path).open("a") as file:
        while True:
            seen = stats(app)
            partitions = {f"{topic}:{number}": values for (topic, number), values in seen["partitions"].items()}
            line = {**seen, "partitions": partitions, "counts": dict(counts), "time": time.time()}
            file.write(json.dumps(line) + "\n")
            file.flush()
            time.sleep(REPORT_EVERY)


def work(options_json: str) -> int:
    """Run until a signal or a failure; the exit status."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = msgspec.json.decode(options_json, type=Options)
    counts: Counter[str] = Counter()
    app = build(options, counts)
    threading.Thread(target=report, args=(app, counts, options.report), daemon=True).start()
    return run(app)
