"""When a push is tried again: later and later, spread by chance, never after its last moment."""

from __future__ import annotations

from typing import Final

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 15 * 60_000


def pause(attempt: int, after: int, chance: float) -> int:
    """Ms until the next attempt, `attempt` being the number of those made and `after` what the provider asks for, ms.

    `chance`, in [0, 1), spreads it over half of its length.

    >>> [pause(attempt, 0, 0.0) for attempt in (1, 2, 3, 99)]
    [500, 1000, 2000, 450000]
    >>> pause(1, 60_000, 0.5)
    60500
    """
    length = min(FIRST_MS << min(max(attempt, 1) - 1, 20), LONGEST_MS)
    half = length // 2
    return max(half, after) + int(half * chance)
