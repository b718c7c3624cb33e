"""Lines in the log of what clients cause: so many a second at most, or one client could fill the disk."""

import logging
import time
from typing import Any

LINES_PER_SECOND = 20
BURST = 100
"""Lines that may come at once after a quiet time."""


class LineLimiter:
    """Writes lines to a logger. Those that are left out are counted, and the next line says how many there were."""

    def __init__(self, logger: logging.Logger, per_second: float = LINES_PER_SECOND, burst: float = BURST) -> None:
        self._logger = logger
        self._rate = per_second
        self._burst = burst
        self._left = burst
        self._at = time.monotonic()
        self._skipped = 0

    def wants(self, level: int = logging.INFO) -> bool:
        """Whether a line would be written now: one that is not written need not be put together. If not, it counts as
        left out."""
        if not self._logger.isEnabledFor(level):
            return False
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            self._skipped += 1
            return False
        return True

    def write(self, message: str, fields: dict[str, Any], level: int = logging.INFO) -> None:
        """Write a line, after `wants` has said yes."""
        self._left -= 1
        if self._skipped:
            fields = {**fields, "skipped": self._skipped}
            self._skipped = 0
        self._logger.log(level, message, extra=fields)
