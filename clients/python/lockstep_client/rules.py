"""The rules of docs/devices.md that need no connection: repeats, pauses, and what mends an error."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

#: What a device may say became of an item; without a word an item counts as handled.
CODES: Final = ("handled", "ignored", "failed")
#: Seconds of the first pause, at most, and of the longest.
FIRST_S: Final = 1.0
MOST_S: Final = 30.0
_REMEMBERED: Final = 1000
#: The part of an id that is its position, fixed in width: as texts they compare as the positions do.
_POSITION: Final = 16
#: Problems that are lockstep's begin so; what a proxy says by itself does not.
_PROBLEM: Final = "urn:lockstep:problem:"


class Seen:
    """An item at or below the position of its lane is a repeat, and so is one whose id was seen before."""

    def __init__(self) -> None:
        self.repeats = 0
        self._positions: dict[str, str] = {}
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, item: Mapping[str, Any]) -> bool:
        """Whether to show the item; repeats are counted."""
        lane, id_ = item["lane"], item["id"]
        position = id_[:_POSITION]
        if position <= self._positions.get(lane, "") or id_ in self._ids:
            self.repeats += 1
            return False
        self._positions[lane] = position
        self._ids[id_] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return True


class Backoff:
    """Pauses that may be twice as long each time, of which a random part is waited: full jitter."""

    def __init__(self, chance: Callable[[], float], first: float = FIRST_S, most: float = MOST_S) -> None:
        """`chance` gives numbers in [0, 1); `first` and `most` are s."""
        self._chance = chance
        self._first = self._longest = first
        self._most = most

    def next(self) -> float:
        """Seconds until the next try."""
        longest, self._longest = self._longest, min(self._most, 2 * self._longest)
        return self._chance() * longest

    def reset(self) -> None:
        """It went well: the next pause is a short one again."""
        self._longest = self._first


class Cure(Enum):
    """What lets the next try succeed."""

    AGAIN = "the same again, later"
    RENEW = "a new token"
    REGISTER = "to be registered"
    RESYNC = "to load the whole state and to start without a cursor"
    NOTHING = "a repaired client"


_BY_NAME: Final = {
    "bad-token": Cure.RENEW, "unknown-device": Cure.REGISTER, "resync-required": Cure.RESYNC,
    "malformed-cursor": Cure.RESYNC, "hello-timeout": Cure.AGAIN,
}  # fmt: skip
#: Close codes, where the error message and the reason of the close frame were lost with the connection.
_BY_CODE: Final = {
    1002: Cure.NOTHING, 1003: Cure.NOTHING, 1007: Cure.NOTHING, 1009: Cure.NOTHING,
    4401: Cure.RENEW, 4404: Cure.REGISTER, 4408: Cure.AGAIN, 4429: Cure.AGAIN, 4410: Cure.RESYNC,
}  # fmt: skip


class Refused(Exception):
    """The edge answered with a problem. `retry_after`: s after which it may go better, 0 where it does not say."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float = 0.0) -> None:
        super().__init__(f"{status} {problem.get('type', '')}: {problem.get('detail') or problem.get('title', '')}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after

    @property
    def cure(self) -> Cure:
        """An answer that is not lockstep's own, a proxy's say, may be another one later."""
        type_ = str(self.problem.get("type", ""))
        later = self.status in (408, 429) or self.status >= 500 or not type_.startswith(_PROBLEM)
        return _BY_NAME.get(type_.removeprefix(_PROBLEM), Cure.AGAIN if later else Cure.NOTHING)


class Closed(Exception):
    """The socket ended; `code` is the close code, `error` the message that came before it, if any.

    `retry_after`: s after which the edge would be called again.
    """

    def __init__(self, code: int, error: Mapping[str, Any], retry_after: float = 0.0) -> None:
        super().__init__(f"closed with {code} {error.get('error', '')} {error.get('detail', '')}".rstrip())
        self.code = code
        self.error = error
        self.retry_after = retry_after

    @property
    def cure(self) -> Cure:
        """4400 to 4499 want something else from the client, 4500 and above the same again later."""
        by_code = _BY_CODE.get(self.code, Cure.NOTHING if 4400 <= self.code < 4500 else Cure.AGAIN)
        return _BY_NAME.get(str(self.error.get("error", "")), by_code)
