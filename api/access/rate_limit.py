"""The rate limit: how many commands a connection may still send in this second."""

from ...domain.errors import Busy


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
