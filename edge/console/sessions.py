"""Sessions of the console: who has signed in, for how long, kept in memory alone."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

#: A session ends after so long, and after so long without a request, s.
LIFE_S: Final = 8 * 3600
IDLE_S: Final = 3600
#: Sessions at once; a further one ends the one that was used longest ago.
MOST: Final = 1000
_BYTES: Final = 32


class Session(msgspec.Struct):
    """One sign-in. `token` is the digest of the operator's token; times in s of the store's clock."""

    id: str
    csrf: str
    token: str
    opened: float
    used: float

    def is_over(self, now: float) -> bool:
        """Whether it has ended by itself."""
        return now - self.opened >= LIFE_S or now - self.used >= IDLE_S

    def matches(self, csrf: str) -> bool:
        """Whether a request knows what only the session's own page was told."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode(errors="replace"))


class Sessions:
    """All sessions, by an id that only the browser has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: OrderedDict[str, Session] = OrderedDict()  # in the order of use

    def __len__(self) -> int:
        """Those that have not ended; the metrics thread asks."""
        now = self._clock()
        return sum(not session.is_over(now) for session in list(self._open.values()))

    def open(self, token: str) -> Session:
        """A new session of the operator whose token has this digest."""
        now = self._clock()
        made = Session(secrets.token_urlsafe(_BYTES), secrets.token_urlsafe(_BYTES), token, now, now)
        self._open[made.id] = made
        if len(self._open) > MOST:
            self._open.popitem(last=False)
        return made

    def find(self, id_: str) -> Session | None:
        """The session of a request, which counts as a use of it; None where it has ended."""
        found = self.peek(id_)
        if found is not None:
            found.used = self._clock()
            self._open.move_to_end(id_)
        return found

    def peek(self, id_: str) -> Session | None:
        """The same without a use of it."""
        found = self._open.get(id_)
        if found is not None and found.is_over(self._clock()):
            del self._open[id_]
            return None
        return found

    def end(self, id_: str) -> None:
        """Sign out."""
        self._open.pop(id_, None)
