"""Dead letters as the command line sees them: which ones are meant, how one looks, what was done to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sinks.content import timestamp
from streams.cloudevents import decode
from streams.deadletters import PREFIX, Done, Identity, Origin, read_dead_letter, read_done
from streams.event import BadEvent
from streams.record import Record


class Letter(NamedTuple):
    """A dead letter and what was done to it."""

    partition: int
    record: Record
    origin: Origin
    done: Done | None

    @property
    def place(self) -> str:
        """Where it lies in `dead-letters`."""
        return f"{self.partition}:{self.record.offset}"

    def lacks(self) -> str:
        """What is not in it, and where that lies; empty where it is whole."""
        origin = self.origin
        if not origin.left_out:
            return ""
        where = f"{origin.topic} {origin.partition}:{origin.offset}"
        return f"{self.place} lacks {origin.left_out} bytes, too many for a dead letter: they lie in {where} alone"


class LeftOut(Exception):
    """A dead letter cannot be published again, as it is not whole."""


class Wanted(NamedTuple):
    """Which dead letters are meant; what is None says nothing. Times in ms.

    `key` is an account; `finished` says whether those to which something was done are meant, or those to which nothing.
    """

    offset: int | None = None
    reason: str | None = None
    source: str | None = None
    key: bytes | None = None
    since: int | None = None
    until: int | None = None
    finished: bool | None = None

    def holds(self, letter: Letter) -> bool:
        """Whether this one is."""
        record, origin = letter.record, letter.origin
        return (
            self.offset in (None, record.offset)
            and self.reason in (None, origin.reason)
            and self.source in (None, origin.topic)
            and self.key in (None, record.key)
            and (self.since is None or record.timestamp >= self.since)
            and (self.until is None or record.timestamp <= self.until)
            and self.finished in (None, letter.done is not None)
        )


def markers(records: Iterable[Record]) -> dict[Identity, Done]:
    """What was done to which record of a partition; the last word counts."""
    return {done.letter: done for record in records if (done := read_done(record.headers)) is not None}


def letters(partition: int, records: Iterable[Record], finished: Mapping[Identity, Done]) -> Iterator[Letter]:
    """The dead letters among the records of a partition, each once however many copies of it there are."""
    known: set[Identity] = set()
    for record in records:
        try:
            origin = read_dead_letter(record.headers)
        except (KeyError, ValueError):  # a marker, or somebody else's record
            continue
        if origin.identity not in known:
            known.add(origin.identity)
            yield Letter(partition, record, origin, finished.get(origin.identity))


def line(letter: Letter) -> str:
    """One line for people."""
    record, origin = letter.record, letter.origin
    key = "no key" if record.key is None else f"key {_text(record.key)}"
    parts = [letter.place, timestamp(record.timestamp), origin.reason]
    size = f"{_size(letter)} B" + (" left out" if origin.left_out else "")
    parts += [f"{origin.topic} {origin.partition}:{origin.offset}", key, size, _state(letter.done)]
    return "  ".join([*parts, origin.detail])


def as_object(letter: Letter) -> dict[str, Any]:
    """The same for programs."""
    record, origin, done = letter.record, letter.origin, letter.done
    return {
        "partition": letter.partition,
        "offset": record.offset,
        "time": timestamp(record.timestamp),
        "reason": origin.reason,
        "detail": origin.detail,
        "origin": {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset},
        "key": None if record.key is None else _text(record.key),
        "size": _size(letter),
        "left_out": origin.left_out,
        "state": "open" if done is None else done.action,
        "placed": done.placed or None if done else None,
    }


def whole(letter: Letter, payload: bool) -> dict[str, Any]:
    """All of one: its headers, the event in it if it can be decoded, and with `payload` its bytes."""
    record = letter.record
    shown = as_object(letter)
    shown["headers"] = {name: _text(value) for name, value in record.headers if not name.startswith(PREFIX)}
    shown["event"] = _event(record)
    if payload:
        shown["value"] = _bytes(record.value)
    return shown


def _event(record: Record) -> dict[str, Any] | None:
    try:
        event = decode(record.key, record.value, record.headers)
    except BadEvent:
        return None
    set_ = {name: getattr(event, name) for name in event.__struct_fields__ if name != "payload"}
    times = {name: timestamp(set_[name]) for name in ("time", "expires") if set_[name] is not None}
    return {name: value for name, value in (set_ | times).items() if value not in (None, "", (), -1)}


def _bytes(value: bytes | None) -> dict[str, str] | None:
    """As text where it is text, else in hex."""
    if value is None:
        return None
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"hex": value.hex()}
    return {"text": text}


def _size(letter: Letter) -> int:
    """Bytes of its value, or of what is left out of it."""
    return letter.origin.left_out or len(letter.record.value or b"")


def _state(done: Done | None) -> str:
    if done is None:
        return "open"
    return f"{done.action} to ingest {done.placed}" if done.placed else done.action


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")
