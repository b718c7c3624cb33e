"""The moments at which Maya acts, and yours to act in her place: the demo waits for somebody at the console."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ...client.session import Session
from .pace import Pace

LOOK_EVERY_S = 0.25
RELOAD_S = 3.0
"""A page that is loaded again is gone for less than this."""


class Visitor:
    """Somebody at the console, who comes and goes; `connections` counts theirs."""

    def __init__(self, connections: Callable[[], int]) -> None:
        self._connections = connections

    @property
    def here(self) -> bool:
        """Whether they have a page open."""
        return self._connections() > 0

    async def come(self) -> None:
        """Wait until they have."""
        while not self.here:  # noqa: ASYNC110 - it is counted, and nobody says when that changes
            await asyncio.sleep(LOOK_EVERY_S)

    async def gone(self, seconds: float = RELOAD_S) -> None:
        """Wait until they have been away for so many seconds."""
        away = 0.0
        while away < seconds:
            await asyncio.sleep(LOOK_EVERY_S)
            away = 0.0 if self.here else away + LOOK_EVERY_S


class Turns:
    """Gives each turn to the visitor for a while, and then to the script; where nobody is, the script acts at its own
    times.

    `guide` is the session as somebody outside the team sees it, who says there whose turn it is. `patience` is how many
    seconds the first turn lasts for a visitor; after one that passes, the next lasts half as long.
    """

    def __init__(self, pace: Pace, visitor: Visitor, guide: Session, patience: float) -> None:
        self.pace = pace
        self._visitor = visitor
        self._guide = guide
        self._patience = patience

    async def taken(self, act: Awaitable[Any], seconds: float, cue: str) -> bool:
        """Whether `act`, which waits for something to be done, has ended: after the script's `seconds`, and for a
        visitor after a cue and some patience more."""
        acting = asyncio.ensure_future(act)
        try:
            await asyncio.wait([acting], timeout=self.pace.seconds(seconds))
            if not acting.done() and self._patience and self._visitor.here:
                await self.say(cue.format(seconds=round(self._patience)))
                await self._while_here(acting)
                if not acting.done():
                    self._patience /= 2
            return acting.done() and acting.exception() is None
        finally:
            acting.cancel()

    async def say(self, text: str) -> None:
        """Say something in the session, to people alone."""
        await self._guide.post(text, to="users", kind="progress")

    async def abandoned(self, seconds: float) -> None:
        """Wait until a visitor has been away for so many seconds."""
        await self._visitor.come()
        await self._visitor.gone(seconds)

    async def _while_here(self, acting: "asyncio.Future[Any]") -> None:
        gone = asyncio.create_task(self._visitor.gone())
        try:
            await asyncio.wait([acting, gone], timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
