"""Whether this process stood still: stopped, starved, or with its loop held by something long.

While it stood still it heard nobody. To count that as their silence would dismiss all of them at once, so silence is
measured from where the process went on.
"""

import logging
import time
from collections.abc import Callable

LONGEST_TICK_S = 0.5
"""Seconds between two ticks where all is well, at most."""
STOOD_STILL_S = 1.0
"""Seconds that a tick is late when the process stood still."""

_logger = logging.getLogger(__name__)


class StallWatch:
    """Everything that judges silence ticks before it does; the first to do so after a stall notices it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.awake_since = self._ticked_at = clock()
        """Since when the process has not stood still."""

    def tick(self, now: float) -> None:
        """It is `now`, on the clock of this watch."""
        late = now - self._ticked_at - LONGEST_TICK_S
        self._ticked_at = now
        if late > STOOD_STILL_S:
            self.awake_since = now
            _logger.info("the process stood still for %.1f seconds; silence is measured from now on", late)
