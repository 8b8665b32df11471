"""A pipeline of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.transport.pipeline import TOPICS, Pipeline


@pytest.fixture
def pipeline(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    """Topics are made by the test; workers are ended and topics deleted after it."""
    made = Pipeline(kafka, prefix, tmp_path)
    try:
        yield made
    finally:
        made.kill_all()
        made.delete(*TOPICS, "router-seen-changelog")
