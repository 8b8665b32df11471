"""The oracle: what must have become of each event of a load, held against what devices showed and outcomes say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from streams.envelope import position
from streams.outcomes import DEVICE_LEVEL, Outcome
from tests.e2e.load import LANE_OF, TYPES, Published, plan

_MORE = 1024
Span = tuple[int, int]


class Shown:
    """Which events of its account a device showed: a bit an event, and whatever it should not have shown."""

    def __init__(self, account: int, accounts: int) -> None:
        """The account is the `account`-th of `accounts`."""
        self.total = 0
        self.twice: list[str] = []
        self.unexpected: list[str] = []
        self._account = account
        self._accounts = accounts
        self._bits = bytearray()

    def add(self, id_: str) -> None:
        """A person sees the event of this id."""
        self.total += 1
        number = int(id_[1:]) if id_[:1] == "e" and id_[1:].isdecimal() else -1
        if number % self._accounts != self._account or number < 0 or plan(number, self._accounts).kind != "good":
            self.unexpected.append(id_)
        elif self.has(number):
            self.twice.append(id_)
        else:
            place, bit = divmod(number // self._accounts, 8)
            if place >= len(self._bits):
                self._bits.extend(bytes(place + _MORE - len(self._bits)))
            self._bits[place] |= 1 << bit

    def has(self, number: int) -> bool:
        """Whether event `number`, one of this account, was shown."""
        place, bit = divmod(number // self._accounts, 8)
        return place < len(self._bits) and bool(self._bits[place] >> bit & 1)

    def wrongs(self) -> tuple[list[str], list[str]]:
        """What came twice and what was unexpected since this was last asked."""
        found = self.twice, self.unexpected
        self.twice, self.unexpected = [], []
        return found


@dataclass
class Verdict:
    """What the oracle found; empty lists where all is well."""

    events: int = 0
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    without_outcome: list[str] = field(default_factory=list)
    unaccounted: list[str] = field(default_factory=list)  # what breaks `lockstep audit`

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.unexpected or self.twice or self.without_outcome or self.unaccounted)

    def __str__(self) -> str:
        shown = {name: (len(found), found[:5]) for name, found in vars(self).items() if isinstance(found, list)}
        return f"{self.events} events: {shown}"


class Ends:
    """What outcomes say, in the little that decides whether an event has one."""

    def __init__(self) -> None:
        self._single: set[tuple[str, int, str]] = set()
        self._into: dict[tuple[str, int], int] = {}  # of merged events the position of the notification they are in
        self._spans: defaultdict[tuple[str, str, int], list[Span]] = defaultdict(list)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Take more outcomes."""
        touched = set()
        for o in outcomes:
            if o.kind not in DEVICE_LEVEL:
                self._single.add((o.account, o.seq, o.kind))
                if o.kind == "merged":
                    self._into[o.account, o.seq] = position(1, int(o.detail.rpartition(":")[2]))
                continue
            for device in o.devices:
                key = o.account, device, o.lane
                self._spans[key].append((o.since, o.seq))
                touched.add(key)
        for key in touched:
            self._spans[key] = list(_merged(self._spans[key]))

    def forget_events(self) -> None:
        """Everything so far is judged: only what devices have is still of use."""
        self._single.clear()
        self._into.clear()

    def has(self, account: str, seq: int, kind: str) -> bool:
        """Whether the event at a position ended in this way."""
        return (account, seq, kind) in self._single

    def judge(self, verdict: Verdict, published: Published, accounts: int, devices: Iterable[str]) -> None:
        """Every acked event must have its event-level outcome, or a device-level one for each of `devices`.

        One that was merged has that of the notification it became part of.
        """
        for number, offset in published.acked():
            event, seq = plan(number, accounts), position(1, offset)
            if event.kind != "good":
                if not self.has(event.account, seq, event.kind):
                    verdict.without_outcome.append(f"{event.account}: {event.kind} {event.id} at {offset}")
                continue
            if self.has(event.account, seq, "superseded"):
                continue
            seq = self._into.get((event.account, seq), seq)
            for device in devices:
                spans = self._spans.get((event.account, device, LANE_OF[event.type]), ())
                if not any(low < seq <= high for low, high in reversed(spans)):
                    verdict.without_outcome.append(f"{event.account}/{device}: {event.id} at {offset}")


def missing(published: Published, accounts: int, shown: Mapping[str, Shown], ends: Ends) -> Iterator[str]:
    """Ids of acked good events that a device of their account never showed, and need not have been replaced."""
    for number, offset in published.acked():
        event = plan(number, accounts)
        if event.kind != "good" or shown[event.account].has(number):
            continue
        step = accounts * len(TYPES)
        newer = range(number + step, published.numbers.stop, step)  # of the same account and type
        replaced = ends.has(event.account, position(1, offset), "superseded")
        if not replaced or not any(shown[event.account].has(later) for later in newer):
            yield f"{event.account}: {event.id} at {offset}"


def judge_visible(
    verdict: Verdict, published: Published, accounts: int, device: str, shown: Mapping[str, Shown], ends: Ends
) -> None:
    """Each good event of an account must be visible once at its `device`; `shown` is by account.

    One that a crash made come again may be superseded by a newer one of its type that the device showed.
    """
    verdict.lost += [f"{device} of {found}" for found in missing(published, accounts, shown, ends)]
    for account, device_shown in shown.items():
        twice, unexpected = device_shown.wrongs()
        verdict.twice += [f"{device} of {account}: {id_}" for id_ in twice]
        verdict.unexpected += [f"{device} of {account}: {id_}" for id_ in unexpected]


def _merged(spans: list[Span]) -> Iterator[Span]:
    """Ranges (low, high] that touch or overlap, joined."""
    low, high = -2, -2
    for since, until in sorted(spans):
        if since > high:
            if high > low:
                yield low, high
            low, high = since, until
        else:
            high = max(high, until)
    if high > low:
        yield low, high
