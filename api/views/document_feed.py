"""Following documents, and the rows of sessions, as they change: first what there is, then patches of it.

When a view has advanced, those followed documents are read that may have changed. Each is rendered once for all
followers that see the same of it, and compared with what they were sent last. A follower whose transport is full is
left behind, and is sent the whole document when the transport takes more. What could not be read is due, and is read
again after a pause.
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
from ...projections.authoring.document import DocProjection
from ...projections.authoring.shape import Row
from ...projections.runner.time_slices import slices
from ...projections.store import Build, Found, ViewStore
from .access import SESSION_KEY, by_session
from .document_follower import DocumentFollower, RenderedDocument
from .progress import BuildProgress, Builds
from .rendering import render_rows
from .row_set import MAX_FOLLOWED_ROWS, RenderedRows, by_id, newest_first

DOCUMENTS_PER_TICK = 100
"""Documents that are read at the same time."""
RETRY_AFTER_S = 0.5
"""Seconds after which documents are read again that could not be read."""

_logger = logging.getLogger(__name__)


class DocumentFeed:
    """The followers of one log's documents. While there are some, one task reads for all of them."""

    def __init__(self, log: Log, store: ViewStore, progress: BuildProgress, tasks: asyncio.TaskGroup) -> None:
        self._log = log
        self._store = store
        self._progress = progress
        self._tasks = tasks
        self._followed: dict[str, dict[str, dict[DocumentFollower, None]]] = {}
        self._due: dict[str, set[str]] = {}
        self._changed_at: dict[str, Position] = {}
        self._read_at: dict[str, tuple[int, Position]] = {}
        self._builds: Builds = {}
        self._wake = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    def begin(self, follower: DocumentFollower) -> None:
        """Send the follower its document, and every change from now on."""
        name, key = follower.projection.name, follower.key
        self._followed.setdefault(name, {}).setdefault(key, {})[follower] = None
        # What is committed already and not yet folded will change the document, too: with the position of the document
        # itself, those changes would be taken for known.
        self._changed_at[key] = max(self._log.position, self._changed_at.get(key, Position(0)))
        if self._reader is None:
            self._reader = self._tasks.create_task(self._read_changes())
        # Last: it wakes the task, which must find the follower.
        self.resume(follower)

    def resume(self, follower: DocumentFollower) -> None:
        """Send the follower its document, if it was left behind."""
        # A transport may resume after the follower was ended: it would stay due, and be read again and again.
        if follower in self._followed.get(follower.projection.name, {}).get(follower.key, {}) and follower.is_behind:
            self._due.setdefault(follower.projection.name, set()).add(follower.key)
            self._wake.set()

    def end(self, follower: DocumentFollower) -> None:
        """Send it nothing more."""
        name, key = follower.projection.name, follower.key
        followers = self._followed.get(name, {}).get(key, {})
        # It may have ended already: then what belongs to the others' document must stay.
        if followers.pop(follower, self) is self or followers:
            return
        del self._followed[name][key]
        if not self._followed[name]:
            del self._followed[name]
            self._read_at.pop(name, None)
            self._due.pop(name, None)
        if not any(key in keys for keys in self._followed.values()):
            del self._changed_at[key]
        if not self._followed and self._reader is not None:
            # `None` at once: a follower that begins before the task has ended needs a task of its own.
            self._reader.cancel()
            self._reader = None

    async def _read_changes(self) -> None:
        stop = self._log.hub.listen(self._published)
        leave = self._progress.listen(self._advanced)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_AFTER_S if self._due else None):
                        await self._wake.wait()
                # Before reading: what is heard meanwhile wakes it once more.
                self._wake.clear()
                for name, build in self._builds.items():
                    if name in self._followed:
                        await self._refresh(name, build)
        finally:  # it is ended by being cancelled
            stop()
            leave()

    def _published(self, records: list[Record]) -> None:
        for record in records:
            if record.session in self._changed_at:
                self._changed_at[record.session] = record.position

    def _advanced(self, builds: Builds) -> None:
        self._builds = builds
        if any(self._read_at.get(name) != _place(builds[name]) for name in self._followed if name in builds):
            self._wake.set()

    async def _refresh(self, name: str, build: Build) -> None:
        """Read the documents of a view that may have changed, and send them to those who follow them."""
        keys = self._changed(name, build)
        # Both before the awaits: who begins or is left behind while documents are read is due again.
        self._read_at[name] = _place(build)
        self._due.pop(name, None)
        ordered = sorted(keys)
        for start in range(0, len(ordered), DOCUMENTS_PER_TICK):
            some = ordered[start : start + DOCUMENTS_PER_TICK]
            try:
                await self._read_and_send(name, some)
            except StenogramError as error:
                _logger.warning("%s cannot be read for its followers: %s", name, error)
                self._due.setdefault(name, set()).update(some)

    async def _read_and_send(self, name: str, keys: list[str]) -> None:
        followers = next(iter(self._followed.get(name, {}).values()), None)
        if not followers:
            return
        projection = next(iter(followers)).projection
        if isinstance(projection, DocProjection):
            found = await self._store.get(name, [(key,) for key in keys])
            rows = {row[0]: row for row in found.rows}
            for key in keys:
                # Looked up after the await: followers have come and gone.
                self._send(tuple(self._followed.get(name, {}).get(key, ())), found.build, rows.get(key))
            return
        order = newest_first(projection)
        for key in keys:
            where = {SESSION_KEY: key}
            found = await self._store.find(name, where, order=order, limit=MAX_FOLLOWED_ROWS)
            self._send_rows(name, key, found, await self._render_rows(name, key, found))

    async def _render_rows(self, name: str, key: str, found: Found) -> dict[Any, RenderedDocument]:
        """The rows of a session, as each of its followers sees them, a few at a time."""
        rendered: dict[Any, RenderedDocument] = {}
        for follower in tuple(self._followed.get(name, {}).get(key, ())):
            viewer = follower.viewer if found.build.shape.restricted else None
            if viewer in rendered:
                continue
            texts: list[bytes | None] = []
            try:
                async for few in slices(found.rows):
                    texts += render_rows(follower.projection, found.build, few, follower.viewer)
            except NotReady:  # another build will be current soon, and is read then
                continue
            rendered[viewer] = RenderedRows(by_id(found.build.shape, zip(found.rows, texts, strict=True)))
        return rendered

    def _send_rows(self, name: str, key: str, found: Found, rendered: dict[Any, RenderedDocument]) -> None:
        for follower in tuple(self._followed.get(name, {}).get(key, ())):
            now = rendered.get(follower.viewer if found.build.shape.restricted else None)
            if now is not None:  # one who began meanwhile is due
                follower.send(now, found.build.checkpoint.position)

    def _changed(self, name: str, build: Build) -> set[str]:
        keys, (id, position) = set(self._followed[name]), self._read_at.get(name, (0, Position(0)))
        if id != build.id:
            return keys
        some_follower = next(iter(next(iter(self._followed[name].values()))))
        if by_session(some_follower.projection):
            keys = {key for key in keys if self._changed_at[key] > position}
        elif build.checkpoint.position == position:
            keys = set()
        return keys | (self._due.get(name, set()) & self._followed[name].keys())

    def _send(self, followers: Iterable[DocumentFollower], build: Build, row: Row | None) -> None:
        rendered: dict[Any, RenderedDocument] = {}
        for follower in followers:
            viewer = follower.viewer if build.shape.restricted else None
            if viewer not in rendered:
                try:
                    rendered[viewer] = _rendered(follower, build, row)
                except NotReady:  # another build will be current soon, and is read then
                    continue
            follower.send(rendered[viewer], build.checkpoint.position)


def _rendered(follower: DocumentFollower, build: Build, row: Row | None) -> RenderedDocument:
    return RenderedDocument(None if row is None else render_rows(follower.projection, build, [row], follower.viewer)[0])


def _place(build: Build) -> tuple[int, Position]:
    return build.id, build.checkpoint.position
