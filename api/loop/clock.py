"""The time at which commands arrive. Formatting a time takes longer than reading it: what arrives in one millisecond
shares one."""

from datetime import UTC, datetime

RESOLUTION_S = 0.001


class ArrivalClock:
    """Tells the time in UTC, at most a millisecond late, and never an earlier one than before it (unless the system's
    clock was set back)."""

    def __init__(self) -> None:
        self._until = 0.0
        self._now = datetime.now(UTC)

    def now(self, monotonic: float) -> datetime:
        """The time; `monotonic` is what `time.monotonic` gave just now."""
        if monotonic >= self._until:
            self._until = monotonic + RESOLUTION_S
            self._now = datetime.now(UTC)
        return self._now


CLOCK = ArrivalClock()
