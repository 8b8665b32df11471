"""A Kafka for a benchmark."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.config import on_free_ports
from deploy.local.servers import start, stop


@contextmanager
def own_kafka() -> Iterator[str]:
    """Bootstrap address of a Kafka that is gone, data and all, at the end."""
    home = Path(tempfile.mkdtemp(prefix="lockstep-bench-"))
    try:
        yield start(on_free_ports(home), ["kafka"]).endpoints.kafka
    finally:
        stop(home, grace=0)
        shutil.rmtree(home)
