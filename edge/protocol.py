"""The gateway's rules without sockets: sessions, their states and positions, pushes and acks (DESIGN rules 7 to 9)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol

from edge import cursor as cursors
from edge import item
from edge.auth.identity import Identity
from edge.sockets import frames
from sinks.rows import Notification
from sinks.wire import NOT_HERE, TAKEN, TURNED_TO_SYNC, Note

_FRAME_START: Final = b'{"type":"notification","item":'
_FRAME_END: Final = item.ITEM_END + b"}"
#: Bytes of a batch for one device that leave in one write. Whether it keeps up is looked at after each write, so no
#: device has more waiting than this, what its transport takes before it says stop (64 KiB), and one frame.
MOST_OUT: Final = 32 * 1024
#: Frames that may wait for a device, however short they are; with as many it is slow, as with too many bytes.
MOST_FRAMES: Final = 128


class State(Enum):
    """SYNC: reads what it missed from the inbox; LIVE: takes pushes; GONE: the connection is closed."""

    SYNC = "sync"
    LIVE = "live"
    GONE = "gone"


class Link(Protocol):
    """The connection of a session."""

    def write(self, data: bytes, count: int = 1) -> None:
        """Send frames to the device, so many of them."""

    def resync(self) -> None:
        """The session was turned to SYNC: have it read its inbox."""


class Range(NamedTuple):
    """Notifications of a lane in (since, to] that the device has."""

    lane: int
    since: int
    to: int


class Session:
    """One device that said a good hello."""

    __slots__ = (
        "account",
        "acked",
        "again",
        "as_of",
        "device",
        "epoch",
        "frames",
        "link",
        "missed",
        "out",
        "places",
        "positions",
        "state",
        "swept",
        "type",
    )

    def __init__(self, identity: Identity, positions: Sequence[int], link: Link) -> None:
        self.account = identity.account
        self.device = identity.device
        self.type = identity.type
        self.link = link
        self.state = State.SYNC
        self.positions = list(positions)
        self.places = cursors.encode_places(cursors.fingerprint(identity.account), positions)
        self.acked = tuple(positions)
        self.as_of = 0  # s, at which the positions were last known to be all; 0 before the backlog of a fresh start
        self.missed: dict[int, int] = {}  # lane -> highest position refused since the round of reading began
        self.again = False
        self.out = b""
        self.frames = 0  # in `out`
        self.epoch = -1  # of its presence, -1 while it has none
        self.swept = b""  # life of Redis in which a sweep has last synced it

    def move(self, lane: int, position: int) -> None:
        """Move the position of a lane up."""
        if position > self.positions[lane]:
            self.place(lane, position, cursors.encode_position(position))

    def place(self, lane: int, position: int, characters: bytes) -> None:
        """`move` with the position's characters made already, once for all devices."""
        self.positions[lane] = position
        self.places = cursors.replace_position(self.places, lane, characters)

    def is_gone(self) -> bool:
        """Whether the connection is closed."""
        return self.state is State.GONE

    def begin_round(self) -> None:
        """Reading starts: all that was refused so far is in the inbox."""
        self.again = False
        self.missed = {}

    def is_behind(self) -> bool:
        """Whether another round is needed: asked for, or a push was refused that the inbox has not given since."""
        return self.again or any(position > self.positions[lane] for lane, position in self.missed.items())

    def is_below(self, heads: Sequence[int]) -> bool:
        """Whether any head is above its lane's position."""
        return any(head > position for head, position in zip(heads, self.positions, strict=True))

    def acknowledge(self, text: str) -> list[Range]:
        """What an ack adds to what is acked. Raises BadCursor."""
        cursor = cursors.decode(text, len(self.positions))
        if cursor.fingerprint != cursors.fingerprint(self.account):
            raise cursors.BadCursor("of another account")
        ranges = [
            Range(lane, since, to)
            for lane, (since, to) in enumerate(zip(self.acked, cursor.positions, strict=True))
            if to > since
        ]
        self.acked = tuple(map(max, self.acked, cursor.positions))
        return ranges


class Counts:
    """What the gateway counted since it started; plain numbers that any thread may read."""

    def __init__(self) -> None:
        self.delivered = self.copies = self.holes = self.missing = self.refused = self.slow = 0
        self.backlog = self.syncs = self.acks = self.hellos = self.replaced = self.expired = self.swept = 0
        self.flooded = 0


class Sessions:
    """All sessions of a gateway, and what a push does to them."""

    def __init__(self, lanes: Sequence[str]) -> None:
        self.lanes = tuple(lanes)
        self.counts = Counts()
        self._sessions: dict[tuple[str, str], Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def all(self) -> list[Session]:
        """The sessions of now."""
        return list(self._sessions.values())

    def open(self, identity: Identity, cursor: cursors.Cursor | None, link: Link) -> tuple[Session, Session | None]:
        """The session of a device from its cursor on (None: a fresh start), in SYNC, and the one it replaces."""
        session = Session(identity, cursor.positions if cursor else (0,) * len(self.lanes), link)
        session.as_of = cursor.as_of if cursor else 0
        key = session.account, session.device
        replaced = self._sessions.get(key)
        self._sessions[key] = session
        self.counts.hellos += 1
        if replaced is not None:
            replaced.state = State.GONE
            self.counts.replaced += 1
        return session, replaced

    def leave(self, session: Session) -> None:
        """Forget a session whose connection is closed; never its successor."""
        session.state = State.GONE
        key = session.account, session.device
        if self._sessions.get(key) is session:
            del self._sessions[key]

    def slow(self, session: Session) -> bool:
        """The device does not read: what follows it gets from its inbox. False if it was not live."""
        if session.state is not State.LIVE:
            return False
        session.state = State.SYNC
        self.counts.slow += 1
        return True

    def push(self, notes: Sequence[Note], now: int) -> list[int]:
        """Deliver a batch at `now` (ms); one status for each device of each note, targets first.

        Raises OverflowError, before anything is delivered, where a position is none.
        """
        numbered = [(note, cursors.encode_position(note.seq)) for note in notes]
        statuses: list[int] = []
        dirty: list[Session] = []
        as_of = cursors.encode_as_of(now // 1000)
        for note, characters in numbered:
            start = b""  # made once for a note, for the first device that takes it
            for device in note.targets:
                session = self._next(note, device)
                if isinstance(session, int):
                    statuses.append(session)
                    continue
                statuses.append(TAKEN)
                session.place(note.lane, note.seq, characters)
                if note.expires <= now:
                    self.counts.expired += 1
                    continue
                start = start or frame_start(note, self.lanes, as_of)
                if not session.out:
                    dirty.append(session)
                session.out += start + session.places + _FRAME_END
                session.frames += 1
                self.counts.delivered += 1
                if len(session.out) >= MOST_OUT or session.frames >= MOST_FRAMES:
                    _send(session)
            for device in note.others:
                session = self._next(note, device)
                statuses.append(session if isinstance(session, int) else TAKEN)
                if not isinstance(session, int):
                    session.place(note.lane, note.seq, characters)
        _flush(dirty)
        return statuses

    def _next(self, note: Note, device: str) -> Session | int:
        """The session, if this note is the next of its lane, else the status that answers for the device."""
        session = self._sessions.get((note.account, device))
        if session is None:
            self.counts.missing += 1
            return NOT_HERE
        if not 0 <= note.lane < len(session.positions):  # a lane that only a newer release knows
            return TURNED_TO_SYNC
        position = session.positions[note.lane]
        if note.seq <= position:
            self.counts.copies += 1
            return TAKEN
        if session.state is State.LIVE and 0 <= note.prev <= position:
            return session
        self._refuse(session, note)
        return TURNED_TO_SYNC

    def _refuse(self, session: Session, note: Note) -> None:
        session.missed[note.lane] = max(note.seq, session.missed.get(note.lane, -1))
        if session.state is State.SYNC:
            self.counts.refused += 1
            return
        session.state = State.SYNC
        self.counts.holes += 1
        session.link.resync()


def _flush(dirty: list[Session]) -> None:
    """What a batch had for one device leaves in one write."""
    for session in dirty:
        if session.out:
            _send(session)


def _send(session: Session) -> None:
    out, count = session.out, session.frames
    session.out, session.frames = b"", 0
    session.link.write(out, count)


def frame_start(content: item.Content, lanes: Sequence[str], as_of: bytes) -> bytes:
    """A notification's frame up to the positions of the cursor, which all sessions have at the same length."""
    lane = content.lane
    start = _FRAME_START + item.encode_prefix(content, lanes[lane]) + as_of
    rest = cursors.FINGERPRINT_CHARS + cursors.POSITION_CHARS * len(lanes) + len(_FRAME_END)
    return frames.header(frames.TEXT, len(start) + rest) + start


def backlog_frame(session: Session, row: Notification, lanes: Sequence[str], as_of: bytes) -> bytes:
    """The frame of a row of the inbox, at the session's positions."""
    return frame_start(row, lanes, as_of) + session.places + _FRAME_END
