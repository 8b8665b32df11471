"""How pushes are sorted by gateway, and its statuses read."""

from __future__ import annotations

from sinks import wire
from sinks.posts import Gateway
from sinks.results import Result
from sinks.socket import MAX_BYTES, MAX_NOTES, body, loads, parcels
from streams.envelope import notification_id
from tests.unit.fakes import NOW, TOPIC_ID, at
from tests.unit.sinks.make import push

TV, PHONE, WEB = ("tv", 5, 1, NOW), ("phone", 6, 2, NOW + 1), ("web", 5, 1, NOW + 2)


def test_one_parcel_a_gateway_with_a_note_for_each_push() -> None:
    """The notes of a gateway name its own devices only; others get no payload."""
    made = parcels([push(1, targets=(TV, PHONE), others=(WEB,)), push(2, targets=(), others=(PHONE,))])
    assert set(made) == {Gateway(5, 1), Gateway(6, 2)}
    (five,), (six,) = made[Gateway(5, 1)], made[Gateway(6, 2)]
    assert [(n.targets, n.others, bool(n.payload)) for n in five.notes] == [(("tv",), ("web",), True)]
    assert [(n.targets, n.others, bool(n.payload)) for n in six.notes] == [
        (("phone",), (), True),
        ((), ("phone",), False),
    ]
    assert five.notes[0].id == notification_id(at(1), 0, TOPIC_ID)
    assert (five.notes[0].account, five.notes[0].seq, five.notes[0].prev) == ("anna", at(1), at(0))


def test_statuses_stand_for_targets_then_others() -> None:
    """Only targeted devices have results; presence of all that are not there is given up."""
    pushes = [push(1, targets=(TV,), others=(WEB,)), push(2, account="ben", targets=(WEB, TV))]
    (parcel,) = parcels(pushes)[Gateway(5, 1)]
    statuses = [wire.TAKEN, wire.NOT_HERE, wire.TURNED_TO_SYNC, 403]
    assert parcel.results(statuses) == [
        Result(0, "tv", "delivered"),
        Result(1, "web", "later", "syncing"),
        Result(1, "tv", "refused", "status 403"),
    ]
    assert parcel.gone(statuses, pushes) == [("anna", "web", NOW + 2)]
    assert parcel.results([404, 200, 200, 200])[0] == Result(0, "tv", "gone", "not-here")
    assert parcel.failed("rate") == [
        Result(0, "tv", "later", "rate"),
        Result(1, "web", "later", "rate"),
        Result(1, "tv", "later", "rate"),
    ]


def test_parcels_are_bounded_and_keep_the_order() -> None:
    """By bytes and by notes."""
    half = b"x" * (MAX_BYTES // 2)
    large = parcels([push(n, payload=half) for n in range(5)])[Gateway(5, 1)]
    assert [len(parcel.notes) for parcel in large] == [2, 2, 1]
    many = parcels([push(n, payload=b"") for n in range(MAX_NOTES + 1)])[Gateway(5, 1)]
    assert [len(parcel.notes) for parcel in many] == [MAX_NOTES, 1]
    assert [note.seq for parcel in large for note in parcel.notes] == [at(n) for n in range(5)]


def test_parcels_of_batches_share_loads() -> None:
    """In order, for as long as they fit."""
    third = b"x" * (MAX_BYTES // 3)
    made = [parcels([push(n, payload=third)])[Gateway(5, 1)][0] for n in range(5)]
    assert [list(map(made.index, load)) for load in loads(made)] == [[0, 1, 2], [3, 4]]
    read = wire.decode_delivery(body(Gateway(5, 1), made[3:]))
    assert [note.seq for note in read.notes] == [at(3), at(4)]
    small = [parcels([push(n, payload=b"") for n in range(300)])[Gateway(5, 1)][0] for _ in range(3)]
    assert [len(load) for load in loads(small)] == [1, 1, 1]
    assert list(loads([])) == []


def test_a_delivery_travels() -> None:
    """What the worker encodes is what the gateway decodes."""
    (parcel,) = parcels([push(1), push(2)])[Gateway(5, 1)]
    read = wire.decode_delivery(body(Gateway(5, 1), [parcel]))
    assert (read.gateway, read.incarnation, read.notes) == (5, 1, parcel.notes)
    assert wire.decode_statuses(wire.encode_statuses([200, 404])) == [200, 404]
