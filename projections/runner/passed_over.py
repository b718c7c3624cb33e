"""Counting the events that a build does not get because they are not for everyone in their session.

The count is written with the step that passes them, so that it is as exact as the view. A slice may be looked at more
than once before it is written (again, carefully, after a failure), and what a fork shares was counted with its origin:
so an event counts when it is further on than all before it.
"""

from collections import deque

from ...domain.ids import Position


class PassedOver:
    """Positions of events, in their order, that no step has passed yet."""

    def __init__(self) -> None:
        self._waiting: deque[Position] = deque()
        self._last = Position(0)

    def add(self, position: Position) -> None:
        """An event was passed over."""
        if position > self._last:
            self._last = position
            self._waiting.append(position)

    def until(self, position: Position) -> int:
        """How many that have not been asked for yet are not behind a position."""
        count = 0
        while self._waiting and self._waiting[0] <= position:
            self._waiting.popleft()
            count += 1
        return count
