"""The books of a partition are whole, and each way in which something can vanish is named."""

from __future__ import annotations

import msgspec
import pytest

from streams.deadletters import Origin, dead_letter
from streams.envelope import position
from streams.outcomes import ANY_LANE
from tests.unit.edge.oncall.audited import (
    DONE,
    END,
    FIRST,
    NOW,
    PARTITION,
    ROLES,
    Raw,
    Topics,
    found,
    has,
    one,
    whole_range,
)


def test_a_push_that_only_a_replay_made_is_a_copy() -> None:
    """`store` found a device online that was not so before its crash: behind a later position `push` drops it."""
    topics = Topics(101, 102).said("store", one("stored", 101, "tv"), one("stored", 102, "tv"))
    topics.said("push", one("pushed", 102, "tv")).push(102, "tv").push(101, "tv").push(102, "tv").passed(101, 102)
    audit = topics.audit()
    assert found(audit) == []
    assert audit.copies["push.socket.high"] == 2


def test_a_range_in_which_nothing_vanished() -> None:
    """Every stage's sum holds: what it took was forwarded, ended, or is in flight."""
    audit = whole_range().audit({**DONE, ("route", "all", ""): 109, ("notify", "high", ""): 9})
    assert found(audit) == []
    assert audit.whole
    sums = {stage.stage: (stage.taken, stage.forwarded, stage.outcomes, stage.in_flight)
            for stage in audit.stages.values()}  # fmt: skip
    assert sums == {
        "route": (10, {"events.high": 6}, {"stale": 1, "duplicate": 1, "dead-lettered": 1}, 1),
        "notify": (6, {"notifications.high": 3}, {"superseded": 1, "merged": 1}, 1),
        "store": (3, {}, {"stored": 2, "no-target": 1}, 0),
        "push.socket": (3, {}, {"pushed": 3}, 0),
    }
    devices = audit.devices["high"]
    assert (devices.targeted, devices.acked, devices.pulled, devices.waiting) == (4, 1, 2, 1)
    assert audit.ends == {
        "stale": 1, "duplicate": 1, "dead-lettered": 1, "superseded": 1, "merged": 1, "no-target": 1, "devices": 2,
        "in flight": 2,
    }  # fmt: skip


def test_copies_are_counted_apart() -> None:
    """A replay says and forwards the same again; a word that a later word outranks is a copy too."""
    topics = whole_range()
    topics.said("store", one("stored", 104, "phone", "tv", "tablet")).said(
        "notify", one("superseded", 104, detail="by 3:103")
    )
    topics.said("push", one("pushed", 104, "tv")).push(104, "tv").passed(104).letter(102)
    audit = topics.audit({**DONE, ("route", "all", ""): 109, ("notify", "high", ""): 9})
    assert audit.whole
    assert +audit.copies == {"outcomes": 3, "push.socket.high": 1, "notifications.high": 1, "events.high": 1,
                             "dead-letters": 1}  # fmt: skip
    assert audit.stages["store", "high"].taken == 3
    assert audit.devices["high"].targeted == 5


@pytest.mark.parametrize(
    ("topics", "stage"),
    [
        (Topics(100), "route in lane all"),
        (Topics(100).event(100), "notify in lane high"),
        (Topics(100).passed(100), "store in lane high"),
        (Topics(100).said("store", one("stored", 100, "tv")).push(100, "tv").passed(100), "push to socket"),
    ],
    ids=["route", "notify", "store", "push"],
)
def test_an_event_that_a_stage_committed_in_silence_is_named(topics: Topics, stage: str) -> None:
    """Neither forwarded nor an outcome, though the worker went on: lost."""
    audit = topics.audit()
    [(offset, what)] = found(audit)
    assert (offset, what.startswith(f"{stage}: committed")) == (100, True)
    assert not audit.whole
    assert sum(sums.missing for sums in audit.stages.values()) == 1


def test_what_is_not_committed_is_in_flight() -> None:
    """The same events break nothing while no stage has committed them."""
    topics = Topics(100, 101, 102, 103).said("store", one("stored", 103, "tv")).push(103, "tv")
    audit = topics.passed(102, 103).event(101).audit({})
    assert audit.whole
    assert [sums.in_flight for sums in audit.stages.values()] == [1, 1, 1, 1]
    assert audit.ends == {"in flight": 3, "devices": 1}


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (Topics(100).notification(100).said("route", one("stale", 100)), "nothing in events"),
        (Topics(100).event(100).push(100, "tv").said("notify", one("stale", 100)), "nothing in notifications.high"),
        (Topics(100).event(100).said("store", one("stored", 100, "tv")).said("notify", one("stale", 100)), "stored"),
        (Topics(100).said("store", one("stored", 100, "tv")).said("push", one("pushed", 100, "tv")).passed(100),
         "no record of a push"),
        (Topics(100).said("store", one("stored", 100, "tv")).said("push", one("pushed", 100, "tv", "radio"))
         .push(100, "tv").passed(100), "pushed to radio, for which it was not stored"),
        (Topics(100).said("route", one("dead-lettered", 100)), "not in dead-letters"),
        (Topics(100).letter(100).said("route", one("stale", 100)), "without an outcome that says so"),
        (Topics(100).said("route", one("superseded", 100), one("stale", 100)), "which never says that"),
        (Topics(100).said("route", one("duplicate", 100, detail="of 3:100")), "no other event"),
        (Topics(100).said("route", one("duplicate", 100, detail="of 3:101")), "no other event"),
        (Topics(100).event(100).said("notify", one("merged", 100, detail="into 3:105")), "no other event"),
    ],
)  # fmt: skip
def test_a_record_that_should_not_be_is_named(topics: Topics, words: str) -> None:
    """A record of a later topic needs the one before it, a claim what it names, a dead letter its outcome."""
    audit = topics.audit()
    assert [(offset, words in what) for offset, what in found(audit)] == [(100, True)]


def test_a_suppression_must_be_true() -> None:
    """A duplicate's original was forwarded, a merged event's survivor became a notification."""
    topics = Topics(100, 101, 102, 103).said("route", one("stale", 101), one("duplicate", 100, detail="of 3:101"))
    topics.said("notify", one("stale", 103), one("merged", 102, detail="into 3:103")).event(102).event(103)
    assert found(topics.audit()) == [
        (100, "duplicate of 3:101, which was not forwarded"),
        (102, "merged into 3:103, which is no notification"),
    ]


@pytest.mark.parametrize(
    ("topics", "what"),
    [
        (Topics().event(104), "a record of events"),
        (Topics().notification(104), "a notification"),
        (Topics().push(104), "a push to socket"),
        (Topics().said("route", one("stale", 104)), "an outcome"),
        (Topics().letter(104), "a dead letter"),
    ],
)
def test_what_is_made_of_nothing_is_named(topics: Topics, what: str) -> None:
    """No record of `ingest` lies there."""
    assert found(topics.audit()) == [(104, f"{what} is made of a record of ingest that is not there")]


def test_what_is_made_of_an_event_that_is_still_to_come_is_named() -> None:
    """Behind the end of `ingest` lies nothing, also when all has been read; what came meanwhile is no defect."""
    topics = Topics(100).said("route", one("stale", 100)).event(END).event(END + 5)
    where = "events.high 3:3 is made of a record of ingest that is not there"
    assert found(topics.audit(end=END + 5)) == [(END + 5, where)]


def test_records_of_other_ranges_and_epochs_are_passed_over() -> None:
    """Only the range is judged, and only records that lockstep wrote for it are looked at."""
    topics = Topics(100, high=200).said("route", one("stale", 100), one("stale", FIRST - 1), one("stale", END))
    topics.said("store", msgspec.structs.replace(one("stored", 100, "tv"), seq=position(2, 100)))
    topics.said("edge", msgspec.structs.replace(has("acked", 0, 100, "tv"), seq=position(2, 100)))
    topics.books.take_letter(Raw(1, NOW, None, b"", [("lockstep-topic", b"ingest")]))
    topics.books.take_letter(Raw(1, NOW, None, b"", dead_letter(Origin("other", PARTITION, 100, "", ""), [])))
    topics.letter(FIRST - 1)
    assert topics.event(FIRST - 1).event(END).audit().whole


def test_an_event_in_two_lanes_is_named() -> None:
    """The lane is a function of the event, so a second one is a defect and no copy."""
    audit = Topics(100).said("notify", one("stale", 100)).event(100).event(100, lane=0).audit()
    assert found(audit) == [(100, "in events.critical at 3:3, and in another lane before")]
    audit = Topics(100).said("store", one("stored", 100, "tv")).notification(100, lane=0).event(100).audit()
    assert found(audit) == [(100, "in events.high, and its notification in another lane")]


def test_a_lane_that_topics_yaml_does_not_know_has_its_number() -> None:
    """A release before or after this one may have more lanes."""
    audit = Topics(100).said("notify", one("stale", 100)).event(100, lane=7).audit()
    assert ("notify", "7") in audit.stages


def test_a_claim_that_names_no_place_is_no_claim() -> None:
    """A detail is for people; only what it names is looked up, and only in the partition of the account."""
    said = [one("duplicate", 100, detail="of something"), one("duplicate", 101, detail="of 4:100")]
    assert Topics(100, 101).said("route", *said).audit().whole


def test_an_event_of_another_account_or_topic_is_named() -> None:
    """Nobody gets what was meant for somebody else."""
    topics = Topics(100).said("notify", one("stale", 100))
    assert found(topics.event(100, account="ben").audit()) == [
        (100, "in ingest, its account is another one than downstream")
    ]
    topics = Topics(100).said("notify", one("stale", 100)).event(100, topic_id=b"efgh")
    assert found(topics.audit()) == [(100, "in events.high, made of partition 3 of ingest 65666768")]


def test_what_is_merged_may_be_superseded_together() -> None:
    """The survivor of a window is judged like any notification: by it the merged ones are superseded too."""
    topics = Topics(100, 101).said("notify", one("merged", 100, detail="into 3:101"), one("superseded", 101))
    assert topics.event(100).event(101).audit().whole


def test_records_without_an_event_are_passed_over() -> None:
    """Ticks and markers carry nothing: only time passes by them."""
    topics = Topics(100).said("route", one("stale", 100))
    for value in (b"", None):
        topics.books.take_event(Raw(7, NOW, None, value, []), "events.high")
        topics.books.take_push(Raw(7, NOW, None, value, []), "socket", "push.socket.high")
    assert topics.audit().whole


def test_records_that_cannot_be_read_are_named() -> None:
    """By the place where they lie."""
    topics = Topics(100).said("route", one("stale", 100))
    bad = Raw(7, NOW, b"", b"\xff", [])
    topics.books.take_outcomes(bad, ROLES)
    topics.books.take_event(bad, "events.high")
    topics.books.take_push(bad, "socket", "push.socket.high")
    assert [what.split(" cannot")[0] for _, what in found(topics.audit())] == [
        "outcomes 3:7", "events.high 3:7", "push.socket.high 3:7",
    ]  # fmt: skip


def test_a_device_ends_by_rank_and_by_time() -> None:
    """acked before pulled before accepted; what nobody fetched in its life is expired, not fetched by a late cursor."""
    topics = Topics(*range(100, 106))
    topics.said("store", *(one("stored", offset, "tv") for offset in range(100, 106)))
    topics.said("push", one("accepted", 102, "tv"), one("pushed", 105, "tv"))
    topics.said("edge", has("acked", 99, 100, "tv"), has("pulled", 99, 101, "tv"))
    topics.said("edge", has("acked", 103, 105, "tv"), at=NOW + 20)
    topics.push(102, "tv").push(105, "tv")
    for offset in range(100, 106):
        topics.notification(offset, expires=NOW + (60_000 if offset == 103 else 10)).event(offset)
    devices = topics.audit(now=NOW + 1000).devices["high"]
    assert (devices.acked, devices.pulled, devices.accepted, devices.expired, devices.waiting) == (2, 1, 1, 1, 1)


def test_a_code_acks_its_item() -> None:
    """Whichever its lane, and after the end of its life too."""
    topics = Topics(100, 101)
    topics.said("store", one("stored", 100, "tv"), one("stored", 101, "tv"))
    topics.said(
        "edge", msgspec.structs.replace(has("acked", 99, 100, "tv"), lane=ANY_LANE, detail="failed"), at=NOW + 90
    )
    for offset in (100, 101):
        topics.notification(offset, expires=NOW + 10).event(offset)
    devices = topics.audit(now=NOW + 1000).devices["high"]
    assert (devices.acked, devices.expired) == (1, 1)
