"""The short form of `make bench-state`: what the tables answer and recover, never how fast."""

from __future__ import annotations

import pytest

from bench.state.__main__ import play


def test_both_tables_answer_right_and_recover_whole(
    kafka: str, prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """From a changelog on a real Kafka, the worker itself too; the last line has every key, the one before its size."""
    said = play(kafka, [2_000, 20_000], prefix)
    assert said["wrong"] == 0
    assert "with 20,000 keys; its growth is that from 2,000 on" in capsys.readouterr().out.splitlines()[-1]
    assert list(said) == ["bytes_per_key", "recovery_s_per_million", "cost_growth_1e5_to_1e8", "wrong"]
