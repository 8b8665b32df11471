"""What a gateway tells a device that it may expect and may send."""

from __future__ import annotations

from typing import Final, NamedTuple

from edge.auth.buckets import Pace
from edge.sockets import frames, messages
from streams.settings import Edge

#: Items that a device may leave without an ack; announced, never enforced.
WINDOW: Final = 64
#: Seconds of its rate that a device may send at once.
BURST: Final = 10


class Terms(NamedTuple):
    """The seconds between pings, the window of acks, and what a device may send."""

    ping: int
    window: int
    limits: messages.Limits

    def pace(self) -> Pace:
        """What holds devices to the limits."""
        return Pace(self.limits.frames_per_s, self.limits.frames_at_once)


def terms_of(settings: Edge) -> Terms:
    """The terms of an edge."""
    rate = settings.frame_rate
    return Terms(settings.ping_interval, WINDOW, messages.Limits(frames.MAX_MESSAGE, rate, BURST * rate))
