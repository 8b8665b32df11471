"""The benchmark of the console, short: what it finds is right, whatever it costs here."""

from __future__ import annotations

from pathlib import Path

from bench.console import __main__ as bench
from bench.console.page import Looked


async def test_the_benchmark_of_the_console_finds_everything(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Events, accounts and devices, by an index that was read from disk."""
    found = await bench.measure(kafka, 9000, tmp_path, prefix)
    figures = bench.figures(found, Looked(0.0, 0.0, 0.0, 0))
    assert (figures["outcomes"], figures["wrong"]) == (9000, 0)
    assert 0 < figures["index_bytes_per_outcome"] < 40
    assert found.restart_s > 0
