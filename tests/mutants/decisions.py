"""Mistakes of the tables and gates: what is called a duplicate, and how old an event is."""

from __future__ import annotations

import time
from typing import Any

from tests.mutants.registry import mutant, replace

SEEN = "tests/models/test_seen.py::test_an_id_takes_effect_once_and_none_is_lost"
CLOCKS = "tests/unit/agents/test_clocks.py"


@mutant(SEEN)
def seen_without_offset() -> None:
    """An entry says that an id was seen, and not by which record: a replay passes for a duplicate."""
    from streams import seen

    one, many = seen.SeenState.judge_one, seen.SeenState.judge_many

    def judge_one(self: seen.SeenState, entry: Any, bucket: int, near: Any) -> seen.SeenVerdict:
        verdict = one(self, entry, bucket, near)
        return seen.SeenVerdict(entry.offset) if verdict.replay else verdict

    def judge_many(self: seen.SeenState, keys: Any, cells: Any, bucket: int, near: Any) -> list[seen.SeenVerdict]:
        return [seen.SeenVerdict(0) if v.replay else v for v in many(self, keys, cells, bucket, near)]

    replace(seen.SeenState, "judge_one", judge_one)
    replace(seen.SeenState, "judge_many", judge_many)


@mutant(SEEN)
def seen_forgets_what_was_read() -> None:
    """A commit counts in positions, which hold the epoch, and entries in offsets: it passes for one of all of them."""
    from streams.seen import SeenState

    replace(SeenState, "number_of", lambda self, position: position)


@mutant("tests/models/test_row_keys.py::test_a_shorter_row_does_not_replace_a_longer_one")
def row_keyed_by_first_offset() -> None:
    """A row is named by its first offset alone: a shorter batch of a replay or a zombie replaces a longer one."""
    from streams.rows import RowKey

    def encode(self: RowKey) -> bytes:
        return b"%d/%d/%d/%d" % self._replace(last=self.first)

    replace(RowKey, "encode", encode)


@mutant("tests/models/test_collisions.py::test_many_ids_are_all_new")
def fingerprint_of_32_bits() -> None:
    """Of a fingerprint 32 bits count instead of 96; by chance 300,000 ids then have about ten that are equal."""
    from streams import fingerprint

    original = fingerprint.seen_fingerprint

    def seen_fingerprint(key: bytes, account: str, source: str, event_id: str) -> bytes:
        return original(key, account, source, event_id)[:4] * (fingerprint.SIZE // 4)

    replace(fingerprint, "seen_fingerprint", seen_fingerprint)


@mutant(f"{CLOCKS}::test_the_router_judges_by_the_time_of_the_record")
def age_by_wall_clock_in_route() -> None:
    """The router takes the age of an event at the time at which it looks."""
    from agents.route import Router

    original = Router._judge

    def judge(self: Router, record: Any, partition: int, clock: int) -> Any:
        return original(self, record, partition, _now())

    _leave_all_to_python()
    replace(Router, "_judge", judge)


@mutant(f"{CLOCKS}::test_notify_judges_by_the_time_of_the_record")
def age_by_wall_clock_in_notify() -> None:
    """A notification is stale when `notify` comes to it too late, not when its record was appended too late."""
    from agents.notify import Notifier

    original = Notifier._refusal

    def refusal(self: Notifier, now: int, envelope: Any) -> Any:
        return original(self, self._stage.now(), envelope)

    replace(Notifier, "_refusal", refusal)


@mutant(f"{CLOCKS}::test_what_was_seen_ages_by_the_time_of_the_record")
def seen_ages_by_wall_clock() -> None:
    """An entry of `seen` is as old as the worker's clock says."""
    from agents.route import Router

    original = Router._entry

    def entry(self: Router, *known: Any) -> Any:
        return original(self, *known)._replace(now=self._stage.now())

    _leave_all_to_python()
    replace(Router, "_entry", entry)


def _leave_all_to_python() -> None:
    """The router's native part would not make the mistake."""
    from streams.native import kernel

    replace(kernel, "native", lambda: None)


def _now() -> int:
    return int(time.time() * 1000)
