"""The delivery window: how long new events wait for others, so that they share a frame.

What has just been delivered took some time, and what comes next waits for as long again, counted from the end of that,
10 ms at most. So a single event goes out at once, and the more there is to write, and the busier the loop is with other
things, the more events share a frame.
"""

import time

MAX_WINDOW_S = 0.010


class DeliveryWindow:
    """Decides how long to wait, from how long the last delivery took."""

    def __init__(self) -> None:
        self._delivering = False
        self._began = self._ended = time.perf_counter()

    def delivery_began(self) -> None:
        """There is something to deliver."""
        self._delivering = True
        self._began = time.perf_counter()

    def delivery_ended(self) -> None:
        """Everything is delivered."""
        self._delivering = False
        self._ended = time.perf_counter()

    def seconds_left(self) -> float:
        """Until the window closes; 0 or less when it is closed."""
        if self._delivering:  # how long that will take is not known yet
            return MAX_WINDOW_S
        return self._ended + min(MAX_WINDOW_S, self._ended - self._began) - time.perf_counter()
