"""Which topics begin with a session marker."""

from __future__ import annotations

import pytest

from streams.worker import chain_of
from tests.unit.fakes import shipped_topology


@pytest.mark.parametrize(
    ("worker", "reads", "writes"),
    [
        ("router", set(), {"events.critical", "events.high", "events.normal", "events.low"}),
        (
            "high",
            {"events.high", "notifications.high", "push.socket.high"},
            {"notifications.high", *(f"push.{platform}.high" for platform in shipped_topology().platforms)},
        ),
        (
            "push-webhook",
            {f"push.webhook.{lane}{end}" for lane in shipped_topology().lanes for end in ("", ".retry")},
            {f"push.webhook.{lane}.retry" for lane in shipped_topology().lanes},
        ),
    ],
)
def test_markers_lie_in_the_topics_between_stages(worker: str, reads: set[str], writes: set[str]) -> None:
    """Never in `ingest`, where a null value is a producer's, nor where no stage reads."""
    chain = chain_of(worker, "p.", shipped_topology())
    assert chain.reads == {f"p.{name}" for name in reads}
    assert chain.writes == {f"p.{name}" for name in writes}
