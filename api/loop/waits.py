"""Requests that wait for something to be written, until a drain lets none of them wait any longer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ...domain.ids import SessionId
from ...log.log import Log

T = TypeVar("T")


class Waits:
    """Of one gateway."""

    def __init__(self) -> None:
        self._waits: set[asyncio.Timeout] = set()
        self._draining = False

    async def until(
        self, log: Log, session: SessionId | None, seconds: float, look: Callable[[], Awaitable[T | None]]
    ) -> T | None:
        """What `look` finds, which is asked again whenever something was written to the session, or with None to the
        log; None after so many seconds. Raises LogFailed when the log ends before."""
        wait = asyncio.timeout(0.0 if self._draining else seconds)
        try:
            async with wait:
                self._waits.add(wait)
                while True:
                    news = log.hub.news(session)
                    if (found := await look()) is not None:
                        return found
                    await news.wait()
        except TimeoutError:
            return None
        finally:
            self._waits.discard(wait)

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._draining = True
        for wait in self._waits:
            wait.reschedule(0.0)
