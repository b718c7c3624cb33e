"""The views of one log. While it is open their projections are run, in this process or in one beside it.

The projections are the built-in ones, those that installed packages offer, and those that the settings name.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Self

from ...log.log import Log
from ...projections.authoring.projection import AnyProjection
from ...projections.runner.runner import Runner
from ...projections.store import ViewStore
from .document_feed import DocumentFeed
from .progress import BuildProgress
from .reader import ViewReader


class ViewService(ViewReader):
    """Views of a log in a store. Without projections there are none, and nothing runs. Over a log that was opened for
    reading no effects are carried out: that is up to those who write it. Without `promote` a view that was rebuilt
    waits for a command before readers see it. `fold_elsewhere` has them folded by another process; without it they are
    folded here."""

    def __init__(
        self,
        log: Log,
        store: ViewStore,
        projections: Sequence[AnyProjection],
        tasks: asyncio.TaskGroup,
        *,
        promote: bool = True,
        fold_elsewhere: Callable[[Log], None] | None = None,
    ) -> None:
        """Raises ConfigurationError when two projections have the same name and version."""
        super().__init__(log, store, projections)
        self.progress = BuildProgress(log, store, tasks)
        self.document_feed = DocumentFeed(log, store, self.progress, tasks)
        self._runner = Runner(log, store, projections, promote=promote, effects=log.engine.writable)
        self._tasks = tasks
        self._fold_elsewhere = fold_elsewhere
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self.projections:
            await self.store.__aenter__()
            await self._runner.begin_effects()  # before the first command: its events are to have theirs
            if self._fold_elsewhere is None:
                self._running = self._tasks.create_task(self._runner.run())
            else:
                self._fold_elsewhere(self.log)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Finishes what is being written."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        if self.projections:
            await self.store.__aexit__()
