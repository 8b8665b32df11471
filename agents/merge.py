"""Merging: which notifications of one window fold into one, and what that one holds. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from streams.cloudevents import is_json
from streams.envelope import Envelope
from streams.policies import Policy
from streams.sizes import MAX_EVENTS, MAX_PAYLOAD
from streams.targets import Predicate


class Changes(msgspec.Struct, forbid_unknown_fields=True):
    """The value of a `merge_field`: ids taken out of a list, then ids put at its end, moved there if they are in it."""

    added: list[int | str] = []
    removed: list[int | str] = []


class Merged(NamedTuple):
    """What leaves a window: notifications in the order of their positions, and what became part of which of them."""

    survivors: list[Envelope]
    folded: list[tuple[Envelope, Envelope]]


class _Line:
    """Notifications that fold into one so far; all have the same `mark`. `field` is what a union folds."""

    __slots__ = ("changes", "field", "mark", "members", "size")

    def __init__(self, first: Envelope, mark: Hashable, field: str, changes: Changes | None) -> None:
        self.mark = mark
        self.field = field
        self.members = [first]
        self.changes = [changes] if changes else []
        self.size = len(first.payload)

    def takes(self, e: Envelope, mark: Hashable) -> bool:
        """Whether this one folds in, and what comes of it stays within bounds."""
        return (
            mark is not None
            and mark == self.mark
            and len(self.members) < MAX_EVENTS
            and (not self.field or self.size + len(e.payload) <= MAX_PAYLOAD)
        )

    def add(self, e: Envelope, changes: Changes | None) -> None:
        """Fold one more in."""
        self.members.append(e)
        if changes:
            self.changes.append(changes)
        self.size += len(e.payload)

    def survivor(self) -> Envelope:
        """The one that stands for all."""
        if len(self.members) == 1:
            return self.members[0]
        return _union(self) if self.field else _latest(self)


def merge(envelopes: Sequence[Envelope], policies: Mapping[str, Policy]) -> Merged:
    """Fold the notifications of a window, given in the order of their positions.

    Two fold only where nothing for the same thing (account, use case, collapse key) stands between them: a device that
    gets that too would else apply it too early.
    """
    alone: list[Envelope] = []
    lines: list[_Line] = []
    open_lines: dict[Hashable, _Line] = {}
    for e in envelopes:
        policy = policies.get(e.type)
        if policy is None or policy.merge == "none" or (policy.merge == "latest" and not e.collapse_key):
            alone.append(e)
            continue
        mark, changes = _mark(e, policy)
        thing = e.account, policy.use_case, e.collapse_key
        line = open_lines.get(thing)
        if line is not None and line.takes(e, mark):
            line.add(e, changes)
        else:
            line = open_lines[thing] = _Line(e, mark, policy.merge_field, changes)
            lines.append(line)
    return _result(alone, lines)


def _result(alone: list[Envelope], lines: list[_Line]) -> Merged:
    if not lines:
        return Merged(alone, [])
    made = [(line.survivor(), line.members) for line in lines]
    folded = [(member, survivor) for survivor, members in made for member in members[:-1]]
    return Merged(sorted((*alone, *(survivor for survivor, _ in made)), key=_position), folded)


def _position(e: Envelope) -> int:
    return e.seq


def _mark(e: Envelope, policy: Policy) -> tuple[Hashable, Changes | None]:
    """What two notifications must have in common to fold, None where this one folds with none; and its changes."""
    common = e.source, selectors(e.target)
    if policy.merge == "latest":
        return (*common, e.revision >= 0), None
    parts = _parts(e)
    if parts is None or policy.merge_field not in parts:
        return None, None
    try:
        changes = msgspec.json.decode(parts.pop(policy.merge_field), type=Changes)
    except msgspec.DecodeError:
        return None, None
    return (*common, e.type, e.content_type, tuple(sorted((k, bytes(v)) for k, v in parts.items()))), changes


def _parts(e: Envelope) -> dict[str, msgspec.Raw] | None:
    """The fields of a payload, each as it is written; None where it is no JSON object."""
    if not is_json(e.content_type):
        return None
    try:
        return msgspec.json.decode(e.payload, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return None


def _latest(line: _Line) -> Envelope:
    """The newest of all, at the position of the last; its lives stay its own. Of equals the later counts."""
    newest = max(reversed(line.members), key=version_of)
    return _at_last(line, newest)


def _union(line: _Line) -> Envelope:
    """The changes of all, as one; it lives as long as any of them."""
    last = line.members[-1]
    parts = _parts(last) or {}
    parts[line.field] = msgspec.Raw(msgspec.json.encode(fold(line.changes)))
    union = msgspec.structs.replace(
        last,
        payload=msgspec.json.encode(parts),
        deadline=max(e.deadline for e in line.members),
        expires=max(e.expires for e in line.members),
    )
    return _at_last(line, union)


def _at_last(line: _Line, content: Envelope) -> Envelope:
    last = line.members[-1]
    ids = tuple(id_ for e in line.members for id_ in e.events or (e.id,))
    return msgspec.structs.replace(
        content, seq=last.seq, id=last.id, appended=last.appended, trace=last.trace, events=ids
    )


def fold(changes: Iterable[Changes]) -> Changes:
    """Changes that do at once what these do one after the other."""
    added: dict[int | str, None] = {}
    removed: dict[int | str, None] = {}
    for change in changes:
        removed.update(dict.fromkeys(change.removed))
        for gone in (*change.removed, *change.added):
            added.pop(gone, None)
        for id_ in change.added:
            added.pop(id_, None)
            added[id_] = None
    return Changes(list(added), list(removed))


def version_of(e: Envelope) -> int:
    """What orders notifications of a line: their version, where they have one, else their time, ms."""
    return e.revision if e.revision >= 0 else e.time


def selectors(target: Predicate) -> tuple[str, ...]:
    """Which devices are meant, and the origin, in one way of writing it."""
    return (str(target.types), target.origin, str(target.least), *sorted(target.ids))
