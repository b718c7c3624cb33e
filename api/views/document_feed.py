"""Following documents as they change: first the document, then patches of it.

When a view has moved on, the documents are read that somebody watches and that may have changed. Each is rendered once
for all who see the same of it, and compared with what they were told last. A watcher whose transport is full is left
behind, and is told the document whole when it takes more. What cannot be read is due, and is read again after a pause.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any

from ...domain.errors import NotReady, StenogramError
from ...domain.ids import Position
from ...log.log import Log
from ...log.records import Record
from ...projections.authoring.shape import Row
from ...projections.store import Build, ViewStore
from .access import by_session
from .document_follower import DocumentFollower, RenderedDocument
from .progress import BuildProgress, Builds
from .rendering import render_rows

DOCUMENTS_PER_TICK = 100
"""Documents that are read at the same time."""
RETRY_AFTER_S = 0.5
"""Seconds after which documents are read again that could not be read."""

_logger = logging.getLogger(__name__)


class DocumentFeed:
    """The watchers of one log's views. While there are some, one task reads for all of them."""

    def __init__(self, log: Log, store: ViewStore, progress: BuildProgress, tasks: asyncio.TaskGroup) -> None:
        self._log = log
        self._store = store
        self._progress = progress
        self._tasks = tasks
        self._watched: dict[str, dict[str, dict[DocumentFollower, None]]] = {}
        self._due: dict[str, set[str]] = {}
        self._moved: dict[str, Position] = {}
        self._seen: dict[str, tuple[int, Position]] = {}
        self._builds: Builds = {}
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    def begin(self, watcher: DocumentFollower) -> None:
        """Tell the watcher of its document, and of every change from now on."""
        name, key = watcher.projection.name, watcher.key
        self._watched.setdefault(name, {}).setdefault(key, {})[watcher] = None
        # What is committed already and not yet folded will change the document, too.
        self._moved[key] = max(self._log.position, self._moved.get(key, Position(0)))
        if self._reading is None:
            self._reading = self._tasks.create_task(self._read_on())
        self.resume(watcher)

    def resume(self, watcher: DocumentFollower) -> None:
        """Tell the watcher of its document, if it was left behind."""
        if watcher in self._watched.get(watcher.projection.name, {}).get(watcher.key, {}) and watcher.is_behind:
            self._due.setdefault(watcher.projection.name, set()).add(watcher.key)
            self._news.set()

    def end(self, watcher: DocumentFollower) -> None:
        """Tell it nothing more."""
        name, key = watcher.projection.name, watcher.key
        watchers = self._watched.get(name, {}).get(key, {})
        if watchers.pop(watcher, self) is self or watchers:
            return
        del self._watched[name][key]
        if not self._watched[name]:
            del self._watched[name]
            self._seen.pop(name, None)
            self._due.pop(name, None)
        if not any(key in keys for keys in self._watched.values()):
            del self._moved[key]
        if not self._watched and self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _read_on(self) -> None:
        stop = self._log.hub.listen(self._hear)
        leave = self._progress.listen(self._look)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_AFTER_S if self._due else None):
                        await self._news.wait()
                self._news.clear()
                for name, build in self._builds.items():
                    if name in self._watched:
                        await self._refresh(name, build)
        finally:
            stop()
            leave()

    def _hear(self, records: list[Record]) -> None:
        for record in records:
            if record.session in self._moved:
                self._moved[record.session] = record.position

    def _look(self, builds: Builds) -> None:
        self._builds = builds
        if any(self._seen.get(name) != _place(builds[name]) for name in self._watched if name in builds):
            self._news.set()

    async def _refresh(self, name: str, build: Build) -> None:
        """Read the documents of a view that may have changed, and tell those who watch them."""
        keys = self._changed(name, build)
        self._seen[name] = _place(build)
        self._due.pop(name, None)
        ordered = sorted(keys)
        for start in range(0, len(ordered), DOCUMENTS_PER_TICK):
            some = ordered[start : start + DOCUMENTS_PER_TICK]
            try:
                found = await self._store.get(name, [(key,) for key in some])
            except StenogramError as error:
                _logger.warning("%s cannot be read for those who watch it: %s", name, error)
                self._due.setdefault(name, set()).update(some)
                continue
            rows = {row[0]: row for row in found.rows}
            for key in some:
                self._tell(tuple(self._watched.get(name, {}).get(key, ())), found.build, rows.get(key))

    def _changed(self, name: str, build: Build) -> set[str]:
        keys, (id, position) = set(self._watched[name]), self._seen.get(name, (0, Position(0)))
        if id != build.id:
            return keys
        some_watcher = next(iter(next(iter(self._watched[name].values()))))
        if by_session(some_watcher.projection):
            keys = {key for key in keys if self._moved[key] > position}
        elif build.checkpoint.position == position:
            keys = set()
        return keys | (self._due.get(name, set()) & self._watched[name].keys())

    def _tell(self, watchers: Iterable[DocumentFollower], build: Build, row: Row | None) -> None:
        told: dict[Any, RenderedDocument] = {}
        for watcher in watchers:
            viewer = watcher.viewer if build.shape.restricted else None
            if viewer not in told:
                try:
                    told[viewer] = _told(watcher, build, row)
                except NotReady:  # another build will be current soon, and is looked at then
                    continue
            watcher.tell(told[viewer], build.checkpoint.position)


def _told(watcher: DocumentFollower, build: Build, row: Row | None) -> RenderedDocument:
    return RenderedDocument(None if row is None else render_rows(watcher.projection, build, [row], watcher.viewer)[0])


def _place(build: Build) -> tuple[int, Position]:
    return build.id, build.checkpoint.position
