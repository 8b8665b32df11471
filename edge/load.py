"""How busy a loop is, and how long idle devices are asked to stay away for it."""

from __future__ import annotations

from itertools import cycle
from typing import Final

#: Seconds until an idle device should ask again, on average.
POLL_AFTER_S: Final = 300.0
#: Up to this share devices ask as usual; above it as much less often as keeps the rest free.
_EASY: Final = 0.5
_MOST: Final = 8.0
#: Weight of the newest sample: some ten samples decide.
_NEWEST: Final = 0.2
#: Answers are made beforehand, so that a poll which finds nothing new costs no more: one for each second of the two
#: minutes over which devices are spread at least. By this stride a few in a row lie as far apart as many.
_SPREAD: Final = 128
_STRIDE: Final = 79


class Load:
    """The share of time in which the loop's thread computed, smoothed. Fed with steady and thread time, s."""

    def __init__(self) -> None:
        self.share = 0.0
        self._spread = self._made()
        self.afters = cycle(self._spread)  # `poll_after` for one idle device after the other, endless
        self._before: tuple[float, float] | None = None

    def sample(self, wall: float, thread: float) -> None:
        """So late is it, so much has the thread computed."""
        before, self._before = self._before, (wall, thread)
        if before is not None and wall > before[0]:
            share = min(1.0, max(0.0, (thread - before[1]) / (wall - before[0])))
            self.share += _NEWEST * (share - self.share)
            made = self._made()
            if made != self._spread:
                self._spread, self.afters = made, cycle(made)

    def poll_after(self, chance: float) -> float:
        """Seconds until an idle device should ask again; `chance` in [0, 1) spreads them by a fifth to both sides."""
        free = max(1.0 - self.share, (1.0 - _EASY) / _MOST)
        return POLL_AFTER_S * max(1.0, (1.0 - _EASY) / free) * (0.8 + 0.4 * chance)

    def _made(self) -> list[int]:
        places = ((_SPREAD // 2 + each * _STRIDE) % _SPREAD for each in range(_SPREAD))
        return [round(self.poll_after(place / _SPREAD)) for place in places]
