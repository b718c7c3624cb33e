"""How long to rest after work that held the event loop, so that others hardly notice it.

Work of `t` seconds, again and again with a rest in between, adds to the wait of somebody who comes at any time about
t² / (2 · (t + rest)) on average. With a rest of t² / 1 ms that is half a millisecond, however long the work takes.
"""

import time

FREE_S = 0.001
MAX_REST_S = 1.0


def rest_after(seconds: float) -> float:
    """Seconds to rest after so many of work at a stretch; 0 after less than a millisecond."""
    return min(MAX_REST_S, seconds * seconds / FREE_S) if seconds > FREE_S else 0.0


class Stopwatch:
    """Measures the processor time of this thread: on a busy machine it does not count what others do."""

    def __init__(self) -> None:
        self._began = time.thread_time()

    def lap(self) -> float:
        """Seconds since the last lap."""
        began, self._began = self._began, time.thread_time()
        return self._began - began
