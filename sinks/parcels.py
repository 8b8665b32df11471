"""Parcels: what the pushes of a batch have for each gateway, and what its statuses say of their devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from sinks import wire
from sinks.posts import Gateway
from sinks.presence import Registration
from sinks.results import Result
from sinks.wire import NOT_HERE, TAKEN, TURNED_TO_SYNC, Delivery, Note
from streams.envelope import Push, notification_id

#: A POST is full at so many payload bytes or notes; a note larger than that has one of its own.
MAX_BYTES: Final = 1 << 20
MAX_NOTES: Final = 512
_WHY: Final = {NOT_HERE: "not-here", TURNED_TO_SYNC: "syncing"}


class Recipient(NamedTuple):
    """A device in a parcel, in the order of the gateway's statuses. `push` is the place of its push in the batch."""

    push: int
    device: str
    epoch: int
    targeted: bool


class Parcel:
    """What a batch has for one gateway; no more than one POST carries."""

    def __init__(self) -> None:
        self.notes: list[Note] = []
        self.recipients: list[Recipient] = []
        self.size = 0

    def failed(self, why: str) -> list[Result]:
        """The results where the gateway gave no statuses."""
        return [Result(r.push, r.device, "later", why) for r in self.recipients if r.targeted]

    def results(self, statuses: Sequence[int]) -> list[Result]:
        """The results by the gateway's statuses."""
        return [
            _result(recipient, status)
            for recipient, status in zip(self.recipients, statuses, strict=True)
            if recipient.targeted
        ]

    def gone(self, statuses: Sequence[int], pushes: Sequence[Push]) -> list[Registration]:
        """Presence that the gateway knows nothing of."""
        return [
            Registration(pushes[r.push].account, r.device, r.epoch)
            for r, status in zip(self.recipients, statuses, strict=True)
            if status == NOT_HERE
        ]


def parcels(pushes: Sequence[Push]) -> Mapping[Gateway, list[Parcel]]:
    """The parcels of each gateway, in order of position: they must leave one after the other."""
    sorted_: dict[Gateway, list[Parcel]] = {}
    for number, push in enumerate(pushes):
        for gateway, recipients in _by_gateway(number, push).items():
            own = sorted_.setdefault(gateway, [])
            note = _note(push, recipients)
            size = len(note.payload)
            if not own or own[-1].size + size > MAX_BYTES or len(own[-1].notes) == MAX_NOTES:
                own.append(Parcel())
            own[-1].notes.append(note)
            own[-1].recipients.extend(recipients)
            own[-1].size += size
    return sorted_


def loads(parcels: Iterable[Parcel]) -> Iterator[list[Parcel]]:
    """Parcels for one gateway, of one batch or of several, as they share POSTs."""
    load: list[Parcel] = []
    size = notes = 0
    for parcel in parcels:
        size += parcel.size
        notes += len(parcel.notes)
        if load and (size > MAX_BYTES or notes > MAX_NOTES):
            yield load
            load, size, notes = [], parcel.size, len(parcel.notes)
        load.append(parcel)
    if load:
        yield load


def body(gateway: Gateway, load: Sequence[Parcel]) -> bytes:
    """The body of a POST."""
    notes = [note for parcel in load for note in parcel.notes]
    return wire.encode_delivery(Delivery(gateway.number, gateway.incarnation, notes))


def _by_gateway(number: int, push: Push) -> dict[Gateway, list[Recipient]]:
    """Targets before others, as the gateway answers."""
    found: dict[Gateway, list[Recipient]] = {}
    for targeted, paths in ((True, push.targets), (False, push.others)):
        for device, gateway, incarnation, epoch in paths:
            recipients = found.setdefault(Gateway(gateway, incarnation), [])
            recipients.append(Recipient(number, device, epoch, targeted))
    return found


def _note(push: Push, recipients: Sequence[Recipient]) -> Note:
    targets = tuple([r.device for r in recipients if r.targeted])
    return Note(  # in the order of its fields: by name it takes six times as long
        notification_id(push.seq, push.partition, push.topic_id),
        push.account,
        push.type,
        push.lane,
        push.seq,
        push.prev,
        push.time,
        push.expires,
        push.events,
        push.content_type,
        push.payload if targets else b"",
        targets,
        tuple([r.device for r in recipients if not r.targeted]),
    )


def _result(recipient: Recipient, status: int) -> Result:
    if status == TAKEN:
        return Result(recipient.push, recipient.device, "delivered")
    if status == NOT_HERE:
        return Result(recipient.push, recipient.device, "gone", _WHY[status])
    if status == TURNED_TO_SYNC:
        return Result(recipient.push, recipient.device, "later", _WHY[status])
    return Result(recipient.push, recipient.device, "refused", f"status {status}")
