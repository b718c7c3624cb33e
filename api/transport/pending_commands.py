"""The commands of one connection that wait for their commit, bounded by number and bytes."""

from ..loop.lazy_event import LazyEvent

MAX_COMMANDS = 1_024
"""Beyond that nothing more is read from the connection."""
MAX_BYTES = 4 * 2**20
"""Likewise: a sixteenth of what the log lets wait of everybody's."""


class PendingCommands:
    """Counts them."""

    def __init__(self) -> None:
        self._number = 0
        self._bytes = 0
        self._fewer = LazyEvent()
        self.is_waited_for = False
        """Whether nothing is read before there are fewer."""

    @property
    def are_many(self) -> bool:
        """Whether there is no room for more."""
        return self._number >= MAX_COMMANDS or self._bytes >= MAX_BYTES

    def add(self, size: int) -> None:
        """One more, of so many bytes."""
        self._number += 1
        self._bytes += size

    def remove(self, size: int) -> None:
        """One of them has been answered."""
        self._number -= 1
        self._bytes -= size
        # At the half for `fewer`: to wake it at each answer would read one command at a time.
        if not self._number or (
            self.is_waited_for and self._number <= MAX_COMMANDS // 2 and self._bytes <= MAX_BYTES // 2
        ):
            self._fewer.set()

    async def fewer(self) -> None:
        """Wait until there is room for more."""
        self.is_waited_for = True
        while self.are_many:
            self._fewer.clear()
            await self._fewer.wait()
        self.is_waited_for = False

    async def none(self) -> None:
        """Wait until all are answered."""
        while self._number:
            self._fewer.clear()
            await self._fewer.wait()
