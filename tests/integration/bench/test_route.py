"""The short form of `make bench-route`: what the systems put out, never how fast."""

from __future__ import annotations

from bench.route.__main__ import play, summary


def test_the_router_and_its_peers_put_the_same_events_into_the_lanes(kafka: str, prefix: str) -> None:
    """Each of the good ones once, in order and unaltered; the last line has every key."""
    found = play(kafka, ["lockstep", "stock-faust", "raw"], 3000, 1, prefix)
    assert {name: [run["wrong"] for run in runs] for name, runs in found.items()} == {
        "lockstep": [0], "stock-faust": [0], "raw": [0],
    }  # fmt: skip
    assert list(summary(found, ["stock-faust", "quixstreams"])) == [
        "events_per_cpu_s", "events_per_s", "ratio_stock_faust", "ratio_best_python_peer", "ratio_kafka_streams",
        "ratio_raw", "rss_mb", "wrong",
    ]  # fmt: skip
