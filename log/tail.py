"""The tail of a log that was opened for reading: brings in what other processes commit.

What wakes it is only a hint: after every wait it reads to the end. Once a second it makes sure that the log is still
the one that was opened. A log that was restored from a copy has other events in places that were handed out already;
then it is better to end than to mix the two.
"""

import asyncio
import time
from collections.abc import Callable

from ..domain.errors import LogReplaced
from ..domain.ids import Position
from .engine import Engine, LogHead
from .paging import log_pages
from .records import Record

CHECK_EVERY_S = 1.0
"""Seconds after which it makes sure again that this is the log that was opened."""


class Tail:
    """Hands every record to `publish`, once, in position order."""

    def __init__(self, engine: Engine, publish: Callable[[list[Record]], None]) -> None:
        self._engine = engine
        self._publish = publish
        self._position = Position(0)
        self._epoch = ""
        self._last: Record | None = None
        self._checked = time.monotonic()
        self._reading = asyncio.Lock()
        self._rounds = 0

    def start_at(self, head: LogHead) -> None:
        """Say where the log stands, before anything is read."""
        self._position, self._epoch = head

    async def wait(self, timeout: float) -> None:
        """Wait until there may be something new, or for `timeout` seconds."""
        await self._engine.changed(self._position, timeout)

    async def catch_up(self) -> None:
        """Bring in all that is committed by now. Those who ask together share one reading. Raises LogReplaced, and what
        the engine raises."""
        asked = self._rounds
        async with self._reading:  # two readings at once would publish the same records twice
            # Only a reading that began after the question is an answer: one under way may be past the place already.
            if self._rounds > asked:
                return
            self._rounds += 1
            await self._read_on()
            if time.monotonic() - self._checked >= CHECK_EVERY_S:
                await self._check()
                self._checked = time.monotonic()

    async def _read_on(self) -> None:
        async for records in log_pages(self._engine, self._position):
            self._last = records[-1]
            self._position = self._last.position
            self._publish(records)

    async def _check(self) -> None:
        """Nothing else has this epoch, ends here or later, and has the same event in the same place."""
        head, at = await self._engine.head(), self._position
        if head.epoch != self._epoch or head.position < at:
            raise LogReplaced(f"The log no longer stands at position {at} as it did; was it restored? Open it again.")
        if self._last is None and at:
            self._last = await self._at(at)
        elif self._last is not None and (found := await self._at(at)) and found != self._last:
            raise LogReplaced(f"Another event stands at position {at} now; was the log restored? Open it again.")

    async def _at(self, position: Position) -> Record | None:
        """The event in this place, unless it was removed."""
        found = await self._engine.read_log(position - 1, 1)
        return found[0] if found and found[0].position == position else None
