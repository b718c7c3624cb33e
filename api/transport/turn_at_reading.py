"""A connection's turn at being read: so many frames in a turn of the event loop, and so much in a while.

The loop hands over all that came over a connection at once, which may be thousands of commands, and a task that finds
message after message in its queue never lets go of the loop. Both would keep everybody else waiting. So what a
connection sends is handled a little at a time, and others come in between.
"""

import asyncio
import time

from ...log.commit.rest import rest_after
from ..access.rate_limit import KIB, FrameBudget
from ..loop.tick_batcher import TickBatcher

COMMANDS_PER_TURN = 64
"""Commands of one connection that are read in a turn of the loop: about 1 ms."""
OTHER_WEIGHT = 16
"""What any other frame weighs, in commands."""


class TurnAtReading:
    """Says whether it is over, and waits for the next. What is read besides commands is charged as well."""

    def __init__(self, tick: TickBatcher) -> None:
        self._tick = tick
        self._budget = FrameBudget(time.monotonic())
        self._turn = -1
        self._read = 0
        self._rest_s = 0.0
        self.rests = False
        """Whether nothing is read, however much has come."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read in this turn of the loop."""
        if self._read < COMMANDS_PER_TURN:  # in this turn and those before: most often that is all there is to look at
            return False
        turn, before = self._tick.number, self._turn
        if turn != before:
            self._turn, self._read = turn, 0
        return turn == before

    def commands(self, number: int) -> None:
        """Count commands that are read."""
        self._read += number

    async def next_command(self) -> None:
        """Wait until one command more may be read, and count it."""
        if self.is_over:
            await self._next_turn()
        self._read += 1

    async def other_frame(self, size: int) -> None:
        """Wait until another frame than a command may be handled, of so many bytes, and charge it."""
        if self.is_over:
            await self._next_turn()
        self._read += OTHER_WEIGHT
        self._charge(1 + size / KIB)

    def took(self, seconds: float) -> None:
        """Charge what took so long at a stretch."""
        self._rest_s += rest_after(seconds)

    async def rest(self) -> bool:
        """Wait as long as what was charged takes; returns whether that was at all."""
        rest, self._rest_s = self._rest_s, 0.0
        if not rest:
            return False
        self.rests = True
        await asyncio.sleep(rest)
        self.rests = False
        return True

    async def _next_turn(self) -> None:
        """Others get theirs; this one's next begins when the loop comes round."""
        await asyncio.sleep(0)
        if self.is_over:  # the turns are counted by a callback of the loop's, which may be behind this task
            await asyncio.sleep(0)

    def _charge(self, frames: float) -> None:
        self._rest_s = max(self._rest_s, self._budget.spend(frames, time.monotonic()))
