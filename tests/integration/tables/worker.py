"""A worker with the table `seen`, run as a process of its own: it forwards the ids that are new."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import msgspec

from streams.stage import Batch
from streams.tables import Full, SeenEntry, make_table
from streams.transport import add_agent, attach, make_app, run, stats

REPORT_EVERY = 0.1  # seconds


class Options(msgspec.Struct, kw_only=True):
    """What a test asks of a worker."""

    prefix: str
    servers: str
    datadir: str
    report: str  # file that gets one JSON line for each report
    partitions: int
    window_ms: int = 600_000
    session_timeout: float = 6.0
    poll: int = 2000
    most: int = 0  # entries of a partition, 0 is without a bound
    then: Literal["forget", "stop"] = "forget"


def build(options: Options, counts: Counter[str]) -> tuple[Any, Any]:
    """The app with its agent, and its table."""
    app = make_app(
        options.prefix + "router",
        options.servers,
        partitions=options.partitions,
        datadir=Path(options.datadir),
        commit_interval=0.5,
        session_timeout=options.session_timeout,
        rebalance_timeout=20.0,
        max_poll_records=options.poll,
    )
    output = attach(app, producer_config={}).output
    source = options.prefix + "ingest"
    table: Any = make_table(
        "seen",
        app,
        partitions=options.partitions,
        window_ms=options.window_ms,
        sources=[source],
        full=Full(options.most, options.then) if options.most else None,
    )

    async def handle(batch: Batch) -> int:
        entries = [SeenEntry((r.value or b"")[:12], r.offset, 0, r.timestamp) for r in batch.records]
        for record, verdict in zip(batch.records, await table.judge(batch.partition, entries), strict=True):
            if verdict.first is not None:
                counts["duplicates"] += 1
                continue
            counts["replays" if verdict.replay else "new"] += 1
            await output.send(options.prefix + "events", batch.partition, record.key, record.value)
        return batch.records[-1].offset

    add_agent(app, "route", source, handle)
    return app, table


def report(app: Any, table: Any, counts: Counter[str], path: str) -> None:
    """Append a line of JSON to `path`, over and over."""
    with Path(path).open("a") as file:
        while True:
            now = stats(app)
            line = {
                "recovered": now["recovered"],
                "assigned": len(now["partitions"]),
                "idle": all(p["committed"] == p["highwater"] for p in now["partitions"].values()),
                "entries": table.entries(),
                "rows_read": table.rows_read,
                "bad_rows": table.bad_rows,
                "bytes": table.memory(),
                "early_drops": table.early_drops,
                "stopped": [p["stopped"] for p in now["partitions"].values() if p["stopped"]],
                **{name: counts[name] for name in ("new", "replays", "duplicates")},
            }
            file.write(json.dumps(line) + "\n")
            file.flush()
            time.sleep(REPORT_EVERY)


def work(options_json: str) -> int:
    """Run until a signal or a failure; the exit status."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = msgspec.json.decode(options_json, type=Options)
    counts: Counter[str] = Counter()
    app, table = build(options, counts)
    threading.Thread(target=report, args=(app, table, counts, options.report), daemon=True).start()
    return run(app)
