"""How many tasks are held at a time."""

import asyncio


class Slots:
    """Room for `limit` tasks. Several Claims may share it; then the limit is over all of them."""

    def __init__(self, limit: int) -> None:
        self.free = limit
        self._freed = asyncio.Event()

    async def available(self) -> None:
        """Wait until there is room. Another may be quicker to take it."""
        while self.free <= 0:
            # Cleared before the wait and checked again after it: a task that ends in between is not missed.
            self._freed.clear()
            await self._freed.wait()

    def reserve(self) -> bool:
        """Take a slot, to be released; false when there is none."""
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def release(self) -> None:
        """A slot is free again."""
        self.free += 1
        self._freed.set()
