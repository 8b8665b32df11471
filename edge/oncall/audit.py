"""Proves that nothing vanished: of every event, stage and targeted device, in = out + on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from edge.oncall.books import Books, Defect
from edge.oncall.columns import Passed
from edge.oncall.fates import passed_over
from streams.outcomes import ANY_LANE, Kind

#: The outcome that a stage which stores an event says of it; not its end, but all that the stage does.
STORED: Final = "stored"
PUSHED: Final = "pushed"


class StageSums(msgspec.Struct, kw_only=True):
    """What a stage took in a lane, and what became of it: taken = forwarded + outcomes + in_flight + missing."""

    stage: str
    lane: str
    taken: int = msgspec.field(name="in", default=0)
    forwarded: dict[str, int] = {}
    outcomes: dict[str, int] = {}
    in_flight: int = 0
    missing: int = 0

    @property
    def whole(self) -> bool:
        """Whether the sum holds."""
        out = sum(self.forwarded.values()) + sum(self.outcomes.values())
        return self.taken == out + self.in_flight and not self.missing


class DeviceSums(msgspec.Struct, kw_only=True):
    """What became of the targeted devices of a lane; `waiting`: stored, and neither fetched nor expired yet."""

    lane: str
    targeted: int = 0
    acked: int = 0
    pulled: int = 0
    accepted: int = 0
    expired: int = 0
    waiting: int = 0


class Audit(msgspec.Struct, kw_only=True):
    """The sums of all partitions. `events`: records of `ingest` in the range; `ends`: of each, by its one outcome."""

    events: int = 0
    ends: Counter[str] = msgspec.field(default_factory=Counter)
    stages: dict[tuple[str, str], StageSums] = {}
    devices: dict[str, DeviceSums] = {}
    copies: Counter[str] = msgspec.field(default_factory=Counter)
    defects: list[Defect] = []

    @property
    def whole(self) -> bool:
        """Whether nothing breaks conservation."""
        return not self.defects and all(stage.whole for stage in self.stages.values())

    def stage(self, stage: str, lane: str) -> StageSums:
        """The sums of a stage in a lane."""
        found = self.stages.get((stage, lane))
        if found is None:
            found = self.stages[stage, lane] = StageSums(stage=stage, lane=lane)
        return found

    def lane(self, lane: str) -> DeviceSums:
        """The sums of the devices of a lane."""
        found = self.devices.get(lane)
        if found is None:
            found = self.devices[lane] = DeviceSums(lane=lane)
        return found


#: A stage's place: (stage, lane, platform or "").
Stand = tuple[str, str, str]
#: Up to which offset each stage has committed the partition of its topic.
Commits = Mapping[Stand, int]


class Moment(NamedTuple):
    """When the books were closed: `now` in ms, `end` the end of the partition of `ingest` after all reading."""

    now: int
    end: int


def judge(audit: Audit, books: Books, commits: Commits, lanes: tuple[str, ...], moment: Moment) -> None:
    """Add the books of a partition to the sums; what breaks them becomes a defect."""
    judged = _Judge(audit, books, commits, lanes, moment)
    for place in range(books.size):
        if books.exists[place]:
            judged.event(place)
        else:
            judged.nothing(place)
    partition = books.span.partition
    books.defects += [
        Defect(partition, offset, f"{where} is made of a record of ingest that is not there")
        for offset, where in books.later.items()
        if offset >= moment.end
    ]
    audit.copies.update(books.copies)
    audit.defects += sorted(books.defects, key=lambda defect: defect.offset)


class _Judge:
    """Follows one event after the other through the stages."""

    def __init__(self, audit: Audit, books: Books, commits: Commits, lanes: tuple[str, ...], moment: Moment) -> None:
        self._audit = audit
        self._books = books
        self._commits = commits
        self._lanes = lanes
        self._moment = moment

    def nothing(self, place: int) -> None:
        """A place of `ingest` without a record: a marker of a producer's transaction, or worse."""
        for what in self._books.traces(place):
            self._breaks(place, f"{what} is made of a record of ingest that is not there")

    def event(self, place: int) -> None:
        """One event: what each stage that had it did."""
        self._audit.events += 1
        end = self._route(place)
        if self._books.claims[place] >= 0:
            self._claimed(place, end)
        self._audit.ends[end] += 1

    def _route(self, place: int) -> str:
        """The event's end: an outcome, `devices` or `in flight`; `missing` where there is none."""
        books = self._books
        sums = self._audit.stage("route", "all")
        sums.taken += 1
        said = books.said(place, "route")
        self._letter(place, said)
        if books.events.lane[place]:
            lane = self._lane(books.events, place)
            _add(sums.forwarded, f"events.{lane}")
            books.copies["outcomes"] += said is not None
            return self._notify(place, lane)
        self._orphan(place, "events", books.notifications)
        return self._outcome(sums, said, books.span.first + place, ("route", "all", ""), place)

    def _notify(self, place: int, lane: str) -> str:
        books = self._books
        sums = self._audit.stage("notify", lane)
        sums.taken += 1
        said = books.said(place, "notify")
        if books.notifications.lane[place]:
            if books.notifications.lane[place] != books.events.lane[place]:
                self._breaks(place, f"in events.{lane}, and its notification in another lane")
            _add(sums.forwarded, f"notifications.{lane}")
            books.copies["outcomes"] += said is not None
            return self._store(place, lane)
        self._orphan(place, f"notifications.{lane}", *books.pushes.values())
        return self._outcome(sums, said, books.events.at[place], ("notify", lane, ""), place)

    def _store(self, place: int, lane: str) -> str:
        books = self._books
        sums = self._audit.stage("store", lane)
        sums.taken += 1
        said = books.said(place, "store")
        if books.stored[place]:
            _add(sums.outcomes, STORED)
            books.copies["outcomes"] += said is not None
            end = "devices"
            self._devices(place, lane)
        else:
            end = self._outcome(sums, said, books.notifications.at[place], ("store", lane, ""), place)
        pushes = [(platform, passed) for platform, passed in books.pushes.items() if passed.lane[place]]
        for platform, passed in pushes:
            self._push(place, lane, platform, passed)
        if books.settled[place] and not pushes:
            self._breaks(place, "an outcome of a push, and no record of a push")
        return end

    def _push(self, place: int, lane: str, platform: str, passed: Passed) -> None:
        books = self._books
        sums = self._audit.stage(f"push.{platform}", lane)
        sums.taken += 1
        settled = books.settled[place]
        open_ = [name for name in books.targets[platform][place] if name not in settled]
        if not open_:
            _add(sums.outcomes, PUSHED)
        elif passed.at[place] >= self._commits.get(("push", lane, platform), 0):
            sums.in_flight += 1
        else:
            sums.missing += 1
            self._breaks(place, f"push to {platform}: committed, and no outcome for {', '.join(open_)}")

    def _outcome(self, sums: StageSums, said: Kind | None, at: int, key: Stand, place: int) -> str:
        """The end of an event that a stage did not forward."""
        if said is not None:
            _add(sums.outcomes, said)
            return said
        if at >= self._commits.get(key, 0):
            sums.in_flight += 1
            return "in flight"
        sums.missing += 1
        self._breaks(place, f"{sums.stage} in lane {sums.lane}: committed, neither forwarded nor an outcome")
        return "missing"

    def _devices(self, place: int, lane: str) -> None:
        books = self._books
        sums = self._audit.lane(lane)
        targets = books.stored[place]
        for device in targets:
            fate = self._fate(place, device)
            sums.targeted += 1
            setattr(sums, fate, getattr(sums, fate) + 1)
        if books.settled[place]:
            for device in books.settled[place]:
                if device not in targets:
                    self._breaks(place, f"pushed to {device}, for which it was not stored")

    def _fate(self, place: int, device: str) -> str:
        """What stands for a device: the fold of everything said of it, by rank."""
        books = self._books
        seq, lane, expires = books.position(place), books.notifications.lane[place] - 1, books.expires[place]
        if books.acked.when(books.owner[place], device, ANY_LANE, seq) is not None:
            return "acked"
        pushed = device in books.told[place]
        for kind, coverage in (("acked", books.acked), ("pulled", books.pulled)):
            at = coverage.when(books.owner[place], device, lane, seq)
            if at is not None and (pushed or not passed_over("acked", at, expires)):
                return kind
        if device in books.accepted[place]:
            return "accepted"
        return "expired" if 0 <= expires < self._moment.now else "waiting"

    # -- what breaks it

    def _letter(self, place: int, said: Kind | None) -> None:
        books = self._books
        kept = said in ("dead-lettered", "conflict") or books.said(place, "notify") == "dead-lettered"
        if kept and not books.letters[place]:
            self._breaks(place, f"{said}, and not in dead-letters")
        if not kept and books.letters[place] and books.span.first + place < self._commits.get(("route", "all", ""), 0):
            self._breaks(place, "in dead-letters without an outcome that says so")

    def _orphan(self, place: int, topic: str, *made: Passed) -> None:
        """A record, or a word of a later stage, that was made of a record which is not there."""
        books = self._books
        for passed in made:
            if passed.lane[place]:
                where = f"{books.span.partition}:{passed.at[place]}"
                self._breaks(place, f"nothing in {topic}, and a record made of it at {where} of the topic behind it")
        if books.stored[place]:
            self._breaks(place, f"stored, and nothing in {topic}")

    def _claimed(self, place: int, end: str) -> None:
        """An event that stands for this one must have gone on itself."""
        books = self._books
        other = books.claims[place] - books.span.first
        if end not in ("duplicate", "superseded", "merged") or not 0 <= other < books.size:
            return
        if other == place or not books.exists[other]:
            self._breaks(place, f"{end}, of {books.span.partition}:{books.claims[place]}, which is no other event")
        elif end == "duplicate" and books.said(other, "route") and not books.events.lane[other]:
            self._breaks(place, f"duplicate of {books.span.partition}:{books.claims[place]}, which was not forwarded")
        elif end == "merged" and not books.notifications.lane[other] and books.said(other, "notify") != "superseded":
            self._breaks(place, f"merged into {books.span.partition}:{books.claims[place]}, which is no notification")

    def _lane(self, passed: Passed, place: int) -> str:
        number = passed.lane[place] - 1
        return self._lanes[number] if number < len(self._lanes) else str(number)

    def _breaks(self, place: int, what: str) -> None:
        self._books.defects.append(self._books.at(place, what))


def _add(sums: dict[str, int], name: str) -> None:
    sums[name] = sums.get(name, 0) + 1
