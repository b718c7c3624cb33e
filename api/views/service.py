"""The views of one log. While it is open their projections are run, in this process or in one beside it.

The projections are the built-in ones, those that installed packages offer, and those that the settings name.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from ...domain.errors import Invalid, NotFound, NotReady
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.moments import Moments
from ...projections.runner.runner import Runner
from ...projections.store import Build, Found, ViewStore
from .access import by_session
from .document_feed import DocumentFeed
from .folding_process import TenantFolding
from .progress import BuildProgress

MAX_CONCURRENT_FOLDS = 4
"""Moments that are folded at the same time; further requests wait."""


class ViewService:
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
        fold_elsewhere: TenantFolding | None = None,
    ) -> None:
        """Raises ConfigurationError when two projections have the same name and version."""
        self.log = log
        self.store = store
        self.progress = BuildProgress(log, store, tasks)
        self.document_feed = DocumentFeed(log, store, self.progress, tasks)
        self.projections = {each.name: each for each in sorted(projections, key=lambda each: each.version)}
        self.folding = asyncio.Semaphore(MAX_CONCURRENT_FOLDS)
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
                self._fold_elsewhere.start(self.log, self.store)
        return self

    @property
    def stopped(self) -> Sequence[str]:
        """The views that do not go on before somebody does something."""
        return (self._runner.stopped or ()) if self._fold_elsewhere is None else self._fold_elsewhere.stopped

    async def __aexit__(self, *exc: object) -> None:
        """Finishes what is being written."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        if self.projections:
            await self.store.__aexit__()

    def named(self, name: str) -> AnyProjection:
        """The projection of that name, in its newest version. Raises NotFound."""
        projection = self.projections.get(name)
        if projection is None:
            known = ", ".join(self.projections) or f"none: {self._why_none()}"
            raise NotFound(f"There is no view {name!r}; there are {known}.")
        return projection

    def _why_none(self) -> str:
        if self.log.engine.writable:
            return "this gateway keeps no views"
        return "this gateway only reads, and keeps views where STENOGRAM_VIEWS names a place for them"

    def followed(self, name: str) -> AnyProjection:
        """The same, to be followed under a key. Raises NotFound, and Invalid for one of rows that is not by session."""
        projection = self.named(name)
        if not isinstance(projection, DocProjection) and not by_session(projection):
            raise Invalid(f"{name} is not kept by session; follow the events that change it.")
        return projection

    async def current(self, name: str) -> Build:
        """The build that readers see. Raises NotReady while there is none."""
        build = await self.store.current(name)
        if build is None:
            raise NotReady(f"The view {name} is being built; try again in a moment.", retry_after=1.0)
        return build

    async def get(self, projection: AnyProjection, key: str) -> Found:
        """The document of a key. Raises NotReady."""
        await self.current(projection.name)
        return await self.store.get(projection.name, [(key,)])

    def moments(self, projection: AnyProjection) -> Moments[Any, Any]:
        """The moments of a view. Raises Invalid for one that has none."""
        return Moments(self.log, self.store, projection)
