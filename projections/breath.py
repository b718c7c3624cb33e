"""Folding without keeping the loop to oneself."""

import asyncio
import time

SLICE = 0.002
"""Seconds of work between two turns of the loop."""
_EVERY = 32  # pieces of work between two looks at the clock


class Breath:
    """To be taken after every small piece of work."""

    def __init__(self) -> None:
        self._count = 0
        self._since = time.perf_counter()

    async def take(self) -> None:
        """Let the loop have a turn, if it has waited for a slice."""
        self._count += 1
        if self._count % _EVERY:
            return
        if time.perf_counter() - self._since > SLICE:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
