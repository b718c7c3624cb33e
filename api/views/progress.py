"""How far views are: waiting until one has been folded up to a place.

Whoever advances them, in this process or another, the store knows. It is asked for as long as anybody listens, by one
task for all: quickly while views are behind the log, and when they are not, whenever the log moves on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from ...domain.errors import LogFailed, NotReady, StenogramError
from ...domain.ids import Position
from ...log.log import Log
from ...projections.store import Build, ViewStore

POLL_S = 0.015
IDLE_POLL_S = 0.5
"""Seconds after which it looks again though the log has not moved (another build may have been promoted), or though it
could not."""

Builds = dict[str, Build]
"""The builds that readers see, by name."""

_logger = logging.getLogger(__name__)


class BuildProgress:
    """Looks at the builds that readers see, and tells those who listen."""

    def __init__(self, log: Log, store: ViewStore, tasks: asyncio.TaskGroup) -> None:
        self._log = log
        self._store = store
        self._tasks = tasks
        self._listeners: dict[Callable[[Builds], None], None] = {}
        self._looking: asyncio.Task[None] | None = None
        self._waits: set[asyncio.Timeout] = set()
        self._draining = False

    def listen(self, listener: Callable[[Builds], None]) -> Callable[[], None]:
        """Call `listener` with what every look finds, the first one soon; returns what ends that."""
        self._listeners[listener] = None
        if self._looking is None:
            self._looking = self._tasks.create_task(self._look())
        return lambda: self._leave(listener)

    async def reach(self, name: str, position: int, seconds: float) -> None:
        """Wait until a view has been folded up to a position of the log. Raises NotReady after so many seconds."""
        reached = asyncio.get_running_loop().create_future()

        def look(builds: Builds) -> None:
            if name in builds and builds[name].checkpoint.position >= position and not reached.done():
                reached.set_result(None)

        leave = self.listen(look)
        wait = asyncio.timeout(0.0 if self._draining else seconds)
        try:
            async with wait:
                self._waits.add(wait)
                await reached
        except TimeoutError:
            raise NotReady(f"{name} is not folded up to {position} yet; wait longer.", retry_after=1.0) from None
        finally:
            self._waits.discard(wait)
            leave()

    def drain(self) -> None:
        """Let nobody wait any longer."""
        self._draining = True
        for wait in self._waits:
            wait.reschedule(0.0)

    def _leave(self, listener: Callable[[Builds], None]) -> None:
        self._listeners.pop(listener, None)
        if not self._listeners and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        while True:
            try:
                builds = {each.name: each for each in await self._store.builds() if each.state == "current"}
            except StenogramError as error:
                _logger.warning("the views cannot be looked at: %s", error)
                await asyncio.sleep(IDLE_POLL_S)
                continue
            for listener in tuple(self._listeners):
                listener(builds)
            await self._pause(builds)

    async def _pause(self, builds: Builds) -> None:
        behind = [each for each in builds.values() if each.checkpoint.position < self._log.position]
        if behind or not builds:
            await asyncio.sleep(POLL_S)
            return
        with contextlib.suppress(TimeoutError, LogFailed):
            async with asyncio.timeout(IDLE_POLL_S):
                await self._log.hub.wait(Position(self._log.position))
