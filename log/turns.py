"""Taking turns at what is dear: a few clients at a time, and of each one thing, so that none keeps the others waiting.

Those who wait hold nothing but their place. How many may wait, and for how long, is bounded: one is refused at once, or
in time, rather than answered late.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from ..domain.errors import Overloaded

RETRY_AFTER_S = 2.0
"""Seconds after which those who were refused should try again."""


class Turn:
    """A turn that somebody has."""

    def __init__(self, free: asyncio.Semaphore) -> None:
        self._free = free
        self._begun = False

    async def begin(self) -> None:
        """Wait for a place."""
        await self._free.acquire()
        self._begun = True

    def end(self) -> None:
        """Give the place back before the block ends. What waits of the same client still waits for that."""
        if self._begun:
            self._begun = False
            self._free.release()


class _Client:
    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.there = 0
        """How many of its own are at work or wait."""


class Turns:
    """`at_once` clients are at work; up to `waiting` wait, of each client up to `waiting_each`. First come, first
    served, among those whose client is not at work. `what` is what they wait for, in words."""

    def __init__(self, what: str, at_once: int, *, waiting: int, waiting_each: int) -> None:
        self._what = what
        self._free = asyncio.Semaphore(at_once)
        self._most_waiting = waiting
        self._waiting_each = waiting_each
        self._clients: dict[Hashable, _Client] = {}
        self.waiting = 0
        """How many wait at the moment."""
        self.refused = 0
        """How many were refused since the start."""

    @asynccontextmanager
    async def of(self, client: Hashable, within: float | None = None) -> AsyncIterator[Turn]:
        """Wait for a turn, and have it for the time of the block. Raises Overloaded where too many wait, or when it
        has not come after `within` seconds."""
        known = self._clients.setdefault(client, _Client())
        turn = Turn(self._free)
        known.there += 1
        try:
            await self._wait(known, turn, within)
            try:
                yield turn
            finally:
                turn.end()
                known.turn.release()
        finally:
            known.there -= 1
            if not known.there:
                del self._clients[client]

    async def _wait(self, known: _Client, turn: Turn, within: float | None) -> None:
        waits = known.turn.locked() or self._free.locked()
        if waits and (self.waiting >= self._most_waiting or known.there > 1 + self._waiting_each):
            raise self._refusal("Too many wait")
        self.waiting += 1
        try:
            async with asyncio.timeout(within):
                # In this order: one whose client is at work must not take a place away from others while it waits.
                await known.turn.acquire()
                try:
                    await turn.begin()
                except BaseException:
                    known.turn.release()
                    raise
        except TimeoutError:
            raise self._refusal(f"After {within:.0f} s there is no place") from None
        finally:
            self.waiting -= 1

    def _refusal(self, why: str) -> Overloaded:
        self.refused += 1
        return Overloaded(f"{why} for {self._what}; try again in a moment.", retry_after=RETRY_AFTER_S)
