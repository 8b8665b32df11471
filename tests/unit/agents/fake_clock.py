"""A clock for what calls later: time passes when it is told to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Call:
    """A call that a fake clock will make."""

    due: float
    call: Callable[[], None]
    clock: FakeClock

    def cancel(self) -> None:
        """Do not make it."""
        self.clock.calls.remove(self)


@dataclass
class FakeClock:
    """Time that passes when it is told to."""

    now: float = 0.0
    calls: list[Call] = field(default_factory=list)

    def later(self, delay: float, call: Callable[[], None]) -> Call:
        """As the loop's `call_later`."""
        made = Call(self.now + delay, call, self)
        self.calls.append(made)
        return made

    def pass_to(self, now: float) -> None:
        """Make every call that is due by then."""
        while due := [call for call in self.calls if call.due <= now]:
            first = min(due, key=lambda call: call.due)
            self.now = first.due
            self.calls.remove(first)
            first.call()
        self.now = now
