"""Rate limits of a connection: of its commands, and of whatever else it sends.

A command beyond the limit is refused. Other frames are not (a ping cannot be, and a client that did nothing wrong
would be surprised to have a heartbeat refused): the connection rests instead. Nothing more is read from it for a while,
and the client notices at most that it can send no more.
"""

from ...domain.errors import Busy

FRAMES_PER_SECOND, FRAMES_AT_ONCE = 500, 1_000
"""Frames other than commands: about 4 % of a core, when each takes 80 µs."""
KIB = 1_024
LONG_MESSAGE_BYTES = 32 * KIB
"""Messages beyond this are measured when they are read: a byte of text takes 2 ns, many empty arrays 70."""


class TokenBucket:
    """Holds at most one second's worth and refills evenly. `now` is seconds on any clock that only rises."""

    def __init__(self, per_second: int, now: float) -> None:
        self._rate = per_second
        self._left = float(per_second)
        self._refilled = now

    def spend(self, now: float) -> None:
        """Spend one. Raises Busy when nothing is left."""
        if self._left < 1:
            self._left = min(float(self._rate), self._left + (now - self._refilled) * self._rate)
            self._refilled = now
            if self._left < 1:
                wait = round(1 / self._rate + 0.05, 3)
                raise Busy(f"More than {self._rate} commands in a second.", retry_after=wait)
        self._left -= 1


class FrameBudget:
    """What a connection may send besides commands: `FRAMES_AT_ONCE` frames, refilled evenly. A frame counts as one, and
    as one more for each KiB. `now` is seconds on any clock that only rises."""

    def __init__(self, now: float) -> None:
        self._left = float(FRAMES_AT_ONCE)
        self._refilled = now

    def spend(self, frames: float, now: float) -> float:
        """Spend some; returns the seconds for which the connection is to rest, most often 0, never more than the time
        that refills it."""
        refilled = min(float(FRAMES_AT_ONCE), self._left + (now - self._refilled) * FRAMES_PER_SECOND)
        self._left = max(refilled - frames, -float(FRAMES_AT_ONCE))
        self._refilled = now
        return max(0.0, -self._left / FRAMES_PER_SECOND)
