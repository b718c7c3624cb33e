"""The views of one log. While it is open their projections are run, in this process or in one beside it.

The projections are the built-in ones, those that installed packages offer, and those that the settings name.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from ...domain.errors import StenogramError, ViewsFailed
from ...log.log import Log
from ...projections.authoring.projection import AnyProjection
from ...projections.health import healths
from ...projections.runner.runner import Runner
from ...projections.store import Build, ViewStore
from .document_feed import DocumentFeed
from .folding_process import TenantFolding
from .progress import BuildProgress
from .reader import ViewReader

RETRY_AFTER_S = 5.0
"""Seconds after which a storage of views is tried again that cannot be used."""

Stop = Callable[[], None]
_logger = logging.getLogger(__name__)


class ViewLag(NamedTuple):
    """How far a view is that readers see: events that are not folded, seconds since it had all, keys that are
    parked."""

    events: int
    seconds: float
    parked: int


class ViewService(ViewReader):
    """Views of a log in a store. Without projections there are none, and nothing runs. Over a log that was opened for
    reading no effects are carried out: that is up to those who write it. Without `promote` a view that was rebuilt
    waits for a command before readers see it. `fold_elsewhere` has them folded by another process, until what it
    returns is called; without it they are folded here. A storage that cannot be used is tried again and again: until
    then requests for views fail, and nothing else does."""

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
        super().__init__(log, store, projections)
        self.progress = BuildProgress(log, store, tasks)
        self.document_feed = DocumentFeed(log, store, self.progress, tasks)
        self._runner = Runner(log, store, projections, promote=promote, effects=log.engine.writable)
        self._tasks = tasks
        self._fold_elsewhere = fold_elsewhere
        self.lags: dict[str, ViewLag] = {}
        """As of the last `sample`."""
        self._sampled_at = -1
        self._caught_up_at: dict[str, float] = {}
        self._stop_folding: Stop | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self.projections:
            self.store.enter()
            prepared = await self._prepare()
            # Before the first command: its events are to have their effects.
            await self._runner.begin_effects()
            if self._fold_elsewhere is not None:
                self._stop_folding = self._fold_elsewhere.start(self.log, self.store)
            if self._fold_elsewhere is None or not prepared:
                self._running = self._tasks.create_task(self._run(prepared))
        return self

    @property
    def stopped(self) -> Sequence[str]:
        """The views that do not go on before somebody does something."""
        return (self._runner.stopped or ()) if self._fold_elsewhere is None else self._fold_elsewhere.stopped

    async def __aexit__(self, *exc: object) -> None:
        """Finishes what is being written."""
        if self._stop_folding is not None:
            self._stop_folding()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        if self.projections:
            await self.store.__aexit__()

    async def is_settled(self) -> bool:
        """Whether readers see every view, and all of them hold what is in the log."""
        if not self.projections or not self.log.position:
            return True
        try:
            found = await healths(self.log, self.store)
        except StenogramError:
            return False
        seen = {each.build.name for each in found if each.build.state == "current"}
        return seen >= self.projections.keys() and not any(each.behind for each in found)

    async def sample(self) -> None:
        """Look how far the views are, for those who watch. Nothing is read while nothing has changed."""
        position, now = self.log.position, time.monotonic()
        if not self.projections or (position == self._sampled_at and not any(map(any, self.lags.values()))):
            return
        try:
            builds = await self.store.builds()
        except StenogramError:  # what is known gets older
            self.lags = {name: lag._replace(seconds=now - self._caught_up_at[name]) for name, lag in self.lags.items()}
            return
        self.lags = {each.name: self._lag(each, position, now) for each in builds if each.state == "current"}
        if self.lags.keys() >= self.projections.keys():  # those that have no build yet are looked for again
            self._sampled_at = position

    def _lag(self, build: Build, position: int, now: float) -> ViewLag:
        behind = max(0, position - build.checkpoint.position)
        since = self._caught_up_at.setdefault(build.name, now)
        if not behind:
            since = self._caught_up_at[build.name] = now
        return ViewLag(behind, now - since, build.parked)

    async def _prepare(self) -> bool:
        try:
            await self.store.prepare()
        except ViewsFailed as error:
            _logger.error("there are no views, and it is tried again in %g s: %s", RETRY_AFTER_S, error)
            return False
        return True

    async def _run(self, prepared: bool) -> None:
        """Prepare the store until that succeeds, then fold, if that is done here."""
        while not prepared:
            await asyncio.sleep(RETRY_AFTER_S)
            prepared = await self._prepare()
        if self._fold_elsewhere is None:
            await self._runner.run()
