"""How far views are: waiting until one has been folded up to a place.

The store knows it, whichever process advances them. It is polled while there are listeners, by one task for all: often
while views are behind the log, and when they are not, whenever the log grows.
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
"""Seconds between polls while the log does not grow (another build may have been promoted), and after a failure."""

Builds = dict[str, Build]
"""The builds that readers see, by name."""

_logger = logging.getLogger(__name__)


class BuildProgress:
    """Polls the builds that readers see, and calls the listeners."""

    def __init__(self, log: Log, store: ViewStore, tasks: asyncio.TaskGroup) -> None:
        self._log = log
        self._store = store
        self._tasks = tasks
        self._listeners: dict[Callable[[Builds], None], None] = {}
        self._polling: asyncio.Task[None] | None = None
        self._waits: set[asyncio.Timeout] = set()
        self._draining = False

    def listen(self, listener: Callable[[Builds], None]) -> Callable[[], None]:
        """Call `listener` with what every poll finds, the first one soon; returns what ends that."""
        self._listeners[listener] = None
        if self._polling is None:
            self._polling = self._tasks.create_task(self._poll())
        return lambda: self._leave(listener)

    async def reach(self, name: str, position: int, seconds: float) -> None:
        """Wait until a view has been folded up to a position of the log. Raises NotReady after so many seconds."""
        reached = asyncio.get_running_loop().create_future()

        def check(builds: Builds) -> None:
            if name in builds and builds[name].checkpoint.position >= position and not reached.done():
                reached.set_result(None)

        leave = self.listen(check)
        wait = asyncio.timeout(0.0 if self._draining else seconds)
        try:
            async with wait:
                self._waits.add(wait)
                await reached
        except TimeoutError:
            said = (
                f"{name} is not folded up to {position} yet; wait longer. If it stays so, `stenogram projections "
                "status` says why."
            )
            raise NotReady(said, retry_after=1.0) from None
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
        if not self._listeners and self._polling is not None:
            self._polling.cancel()
            self._polling = None

    async def _poll(self) -> None:
        while True:
            try:
                builds = {each.name: each for each in await self._store.builds() if each.state == "current"}
            except StenogramError as error:
                _logger.warning("the builds of the views cannot be read: %s", error)
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
