"""An event that weighs nothing until somebody waits for it.

asyncio's own holds a deque, 700 bytes for each of thousands of connections of which hardly any ever waits.
"""

import asyncio


class LazyEvent:
    """Does what `asyncio.Event` does."""

    __slots__ = ("_event", "_is_set")

    def __init__(self, is_set: bool = False) -> None:
        self._is_set = is_set
        self._event: asyncio.Event | None = None

    def is_set(self) -> bool:
        """Whether nobody has to wait."""
        return self._is_set

    def set(self) -> None:
        """Let everyone pass that waits, and those who come later."""
        self._is_set = True
        if self._event is not None:
            self._event.set()
            self._event = None

    def clear(self) -> None:
        """Let those who come later wait."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if not self._is_set:
            if self._event is None:
                self._event = asyncio.Event()
            await self._event.wait()
