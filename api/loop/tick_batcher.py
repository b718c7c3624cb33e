"""What is put off during a turn of the event loop is done at its end, all together."""

import asyncio
from collections.abc import Callable


def _nothing() -> None:
    """Done at the end of a turn in which nothing was put off."""


class TickBatcher:
    """Calls back in the order of asking, by one call of the loop's: each costs more than most callbacks do. A callback
    must not raise."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Callable[[], None]] = []
        self._number = 0

    @property
    def number(self) -> int:
        """Which turn of the loop this is, so that one can tell whether it is still the same."""
        if not self._waiting:
            self.at_end(_nothing)  # or nobody would count this turn
        return self._number

    def at_end(self, callback: Callable[[], None]) -> None:
        """Call once."""
        if not self._waiting:
            self._loop.call_soon(self._end)
        self._waiting.append(callback)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._number += 1
        for callback in waiting:
            callback()
