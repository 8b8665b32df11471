"""Fingerprints are wide enough: among many ids none passes for another one."""

from __future__ import annotations

from streams import fingerprint
from streams.seen import SeenEntry, SeenState

IDS = 300_000
BATCH = 10_000


def test_many_ids_are_all_new() -> None:
    """Of 32 bits about ten of 300,000 would be taken for another, and each is an event that is lost."""
    state = SeenState(0, 600_000)
    repeated = 0
    for start in range(0, IDS, BATCH):
        entries = [
            SeenEntry(fingerprint.seen_fingerprint(b"", "account", "/source", f"e{n}"), n, 0, 1_800_000_000_000)
            for n in range(start, start + BATCH)
        ]
        verdicts, _ = state.judge(entries)
        repeated += sum(verdict.first is not None for verdict in verdicts)
    assert repeated == 0
