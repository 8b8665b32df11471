"""What lies in the topics of a partition, for its audit."""

from __future__ import annotations

from typing import NamedTuple

from edge.oncall.audit import Audit, Moment, Stand, judge
from edge.oncall.books import Books, Span
from streams.deadletters import Origin, dead_letter
from streams.envelope import VERSION, Envelope, Push, encode, position
from streams.outcomes import Kind, Outcome, encode_outcomes

PARTITION, FIRST, END = 3, 100, 110
NOW = 1_800_000_000_000
TOPIC_ID = b"abcd"
ACCOUNT = "zoë"
LANES = ("critical", "high")
HIGH = 1
ROLES = {"route": "route", "notify": "notify", "store": "store", "push": "push"}
#: Every stage has committed everything.
DONE: dict[Stand, int] = {
    ("route", "all", ""): END, ("notify", "high", ""): 1000, ("store", "high", ""): 1000,
    ("push", "high", "socket"): 1000,
}  # fmt: skip


class Raw(NamedTuple):
    """A record as a reader gives it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Topics:
    """What lies in the topics of a partition; by default nothing but `ingest`."""

    def __init__(self, *offsets: int, high: int = END) -> None:
        self.books = Books(Span(PARTITION, FIRST, END, high), 1, "ingest", TOPIC_ID, ("socket",))
        self._ingest = offsets
        self._offset = 0

    def _raw(self, value: bytes | None, account: str = ACCOUNT, at: int = NOW) -> Raw:
        self._offset += 1
        return Raw(self._offset, at, account.encode(), value, [])

    def said(self, stage: str, *outcomes: Outcome, at: int = NOW) -> Topics:
        """A record of `outcomes`."""
        self.books.take_outcomes(self._raw(encode_outcomes(stage, at, list(outcomes)), at=at), ROLES)
        return self

    def letter(self, offset: int) -> Topics:
        """A dead letter."""
        headers = dead_letter(Origin("ingest", PARTITION, offset, "undecodable", ""), [])
        self.books.take_letter(Raw(1, NOW, None, b"", headers))
        return self

    def push(self, offset: int, *devices: str) -> Topics:
        """A record of `push.socket.high`."""
        made = Push(VERSION, TOPIC_ID, PARTITION, at(offset), -1, HIGH, ACCOUNT, (), "t", NOW, NOW, NOW, "", b"",
                    tuple((device, 1, 1, 1) for device in devices))  # fmt: skip
        self.books.take_push(self._raw(encode(made)), "socket", "push.socket.high")
        return self

    def notification(self, offset: int, lane: int = HIGH, expires: int = NOW + 60_000) -> Topics:
        """A record of `notifications.<lane>`."""
        self.books.take_notification(self._raw(envelope(offset, lane, expires)), f"notifications.{LANES[lane]}")
        return self

    def event(self, offset: int, lane: int = HIGH, account: str = ACCOUNT, topic_id: bytes = TOPIC_ID) -> Topics:
        """A record of `events.<lane>`."""
        value = envelope(offset, lane, account=account, topic_id=topic_id)
        self.books.take_event(self._raw(value), f"events.{lane}" if lane >= len(LANES) else f"events.{LANES[lane]}")
        return self

    def passed(self, *offsets: int) -> Topics:
        """Events that were forwarded by route and notify."""
        for offset in offsets:
            self.notification(offset).event(offset)
        return self

    def audit(self, commits: dict[Stand, int] | None = None, now: int = NOW, end: int = END) -> Audit:
        """The audit of it all."""
        for offset in self._ingest:
            self.books.take_ingest(Raw(offset, NOW, ACCOUNT.encode(), b"", []))
        audit = Audit()
        judge(audit, self.books, DONE if commits is None else commits, LANES, Moment(now, end))
        return audit


def at(offset: int) -> int:
    """The position of an offset."""
    return position(1, offset)


def envelope(
    offset: int, lane: int, expires: int = NOW + 60_000, account: str = ACCOUNT, topic_id: bytes = TOPIC_ID
) -> bytes:
    """An envelope."""
    return encode(
        Envelope(
            VERSION, topic_id, PARTITION, at(offset), lane, account, "/s", "e", "t", NOW, NOW, NOW, expires, "", b""
        )
    )


def one(kind: Kind, offset: int, *devices: str, detail: str = "") -> Outcome:
    """An outcome of one event."""
    return Outcome(kind, ACCOUNT, at(offset), devices, detail, lane=HIGH)


def has(kind: Kind, since: int, to: int, device: str) -> Outcome:
    """A range that a device has."""
    return Outcome(kind, ACCOUNT, at(to), (device,), since=at(since), lane=HIGH)


def found(audit: Audit) -> list[tuple[int, str]]:
    """The defects: offset and words."""
    return [(defect.offset, defect.what) for defect in audit.defects]


def whole_range() -> Topics:
    """Ten events of every kind, all of them ended or on their way as they should be."""
    topics = Topics(*range(FIRST, END))
    topics.said("route", one("stale", 100), one("duplicate", 101, detail="of 3:104"), one("dead-lettered", 102))
    topics.said("notify", one("superseded", 103, detail="by 3:104: 7 is newer than 6"))
    topics.said("notify", one("merged", 105, detail="into 3:104"))
    topics.said("store", one("stored", 104, "tv", "phone"), one("no-target", 106), one("stored", 107, "tv", "phone"))
    topics.said("push", one("pushed", 104, "tv"), one("undeliverable", 107, "tv"))
    topics.said("edge", has("acked", 99, 104, "tv"), has("pulled", 99, 107, "phone"))
    topics.letter(102).push(104, "tv").push(106).push(107, "tv")
    topics.passed(104, 106, 107).event(103).event(105)
    return topics.event(108)
