"""Advances one build for as long as its runner holds it.

The checkpoint is the place of the last event whose effects are stored, and moves in the same transaction with them. So
an event is folded once, whatever happens: after a commit that failed, or whose outcome is not known, a new worker
begins from what is stored.

While one batch is being written the next is read and folded already; it is written only when the one before is.

A build that is not current yet is folded strictly: it stops at the first event that fails, until somebody retries or
skips that. In a current one the event's key is parked and the others go on; when somebody asks for a retry, what came
for the key meanwhile is folded from where it was parked. What is skipped is noted in the store, for those who fold the
same events again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ...domain.ids import Position
from ...log.log import Log
from ..authoring.projection import UNKEYED, Item, Projection
from ..seek import last_version
from ..store import Build, Checkpoint, Commit, Parked, Skipped, ViewStore
from .batch import Batch, Stuck
from .checkpoints import check_log
from .decoded_page import DecodedPage
from .log_reader import BATCH, LogReader, PageSlice

COMMIT_EVERY_S = 0.025
"""Between two commits of a view that is caught up: what comes meanwhile is folded together."""
_SMOOTHING = 0.2  # the share of the newest batch in the rate

_logger = logging.getLogger(__name__)


class Worker:
    """One build, claimed by this runner. `caught_up` is awaited when a build that is not current has caught up; it
    answers whether the build is current now."""

    def __init__(
        self,
        projection: Projection[Any, Any],
        log: Log,
        store: ViewStore,
        pages: LogReader,
        build: Build,
        caught_up: Callable[[Build], Awaitable[bool]],
    ) -> None:
        self.build = build
        self._projection = projection
        self._log = log
        self._store = store
        self._pages = pages
        self._caught_up = caught_up
        self._checkpoint = build.checkpoint
        self._batch = Batch(projection, store, build, self._wait_stored)
        self._writing: asyncio.Task[None] | None = None
        self._parked: dict[str, Parked] = {}
        self._strict = build.state == "building"
        self._rate = 0.0
        self._committed = 0.0
        self._wake = asyncio.Event()
        self._wishes_may_wait = True
        self._stopping = False

    def look_for_wishes(self) -> None:
        """Look at once whether somebody wishes a parked key to be retried or skipped."""
        self._wishes_may_wait = True
        self._wake.set()

    def finish(self) -> None:
        """End when what is under way is done."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Advance until cancelled. Returns when the build stops, or after `finish`.

        Raises CheckpointMoved when another has moved it, OtherLog, ViewsFailed, LogFailed.
        """
        await check_log(self._log, self._checkpoint)
        self._committed = asyncio.get_running_loop().time()
        self._pages.subscribe(self._wake)
        try:
            while not self._stopping and await self._advance():
                pass
            await self._wait_stored()
        finally:
            self._pages.unsubscribe(self._wake)
            # In its thread the commit goes on, and takes effect or not; either way nothing is folded on top of it.
            if self._writing is not None:
                self._writing.cancel()

    async def _advance(self) -> bool:
        """Fold what there is, or wait for it. False when the build has stopped."""
        self._wake.clear()  # before looking for work: cleared after that, it would lose what comes in between
        retrying = await self._retry_parked()
        head = self._log.position  # before reading: what is committed meanwhile is no reason to be "not caught up"
        events = await self._next()
        if events is not None and not await self._fold_and_commit(events):
            return False
        if self._checkpoint.position < head:
            return True
        await self._wait_stored()  # readers must not be shown a build whose last step may yet fail
        if self._strict:
            self._strict = not await self._caught_up(self.build)
        if events is None and not retrying and not self._stopping:
            await self._wake.wait()
        await asyncio.sleep(self._committed + COMMIT_EVERY_S - asyncio.get_running_loop().time())
        return True

    async def _next(self) -> PageSlice | None:
        if self._projection.key == "session":
            return await self._pages.after_with_shared(self._checkpoint, self._wake)
        return await self._pages.after(self._checkpoint.position, self._wake)

    async def _fold_and_commit(self, events: PageSlice) -> bool:
        try:
            folded = await self._batch.fold(events, self._is_skipped if self._parked else None, strict=self._strict)
        except Stuck as stuck:
            await self._stop_build(events, stuck.parked)
            return False
        to = events.checkpoint(self._checkpoint.epoch)
        # In a strict build what was parked halted it, until it was retried or skipped.
        passed = [each for each in self._parked.values() if self._strict and each.position <= to.position]
        await self._commit(to, folded.rows, folded.park, passed, length=events.length)
        return True

    async def _commit(
        self,
        to: Checkpoint,
        rows: dict[Any, Any],
        park: tuple[Parked, ...] = (),
        passed: Sequence[Parked] = (),
        *,
        length: int = 0,
        stopped: str | None = None,
    ) -> None:
        """Have this written as the next step; the one before is, when this returns. What is `passed` is no longer
        parked, unless it is in `park`."""
        await self._wait_stored()  # a step that overtook the one before it would find the checkpoint elsewhere
        now = asyncio.get_running_loop().time()
        rate = self._measured(length, now - self._committed)
        skip = tuple([Skipped(each.key, each.position) for each in passed if each.wish == "skip"])
        unpark = tuple([each.key for each in passed if not any(again.key == each.key for again in park)])
        commit = Commit(self.build.id, self.build.token, self._checkpoint, to, rows, park, unpark, skip, stopped, rate)
        commit = commit._replace(passed_over=self._batch.passed_over.until(to.position))
        self._writing = asyncio.create_task(self._store.commit(self.build, commit))
        self._checkpoint, self._rate, self._committed = to, rate, now
        for key in unpark:
            del self._parked[key]
        for parked in park:
            self._parked[parked.key] = parked
            if parked.wish is None:
                _logger.error("%s parked %r at position %d: %s", self.build, parked.key, parked.position, parked.error)

    async def _wait_stored(self) -> None:
        """Wait until what was folded is stored. Raises what the commit raised."""
        if self._writing is not None:
            writing, self._writing = self._writing, None  # before the await, or a failure would be raised twice
            await writing

    def _measured(self, length: int, seconds: float) -> float:
        if not length or seconds <= 0:
            return self._rate
        return self._rate + _SMOOTHING * (length / seconds - self._rate) if self._rate else length / seconds

    async def _stop_build(self, events: PageSlice, stuck: Parked) -> None:
        """Store what came before the event that failed, and say where and why the build stands."""
        done = events.until(stuck.position)
        folded = await self._batch.careful(done, self._is_skipped, strict=False)
        to = done.checkpoint(self._checkpoint.epoch) if done.parts else self._checkpoint
        why = f"event {stuck.position} ({stuck.type} of session {stuck.session}): {stuck.error}"
        await self._commit(to, folded.rows, (stuck,), stopped=why)
        _logger.error("%s stopped at %s", self.build, why)

    def _is_skipped(self, item: Item) -> bool:
        """Whether an event is not to be folded now: its key is parked, or it is the one to be skipped."""
        for key in item.parked_under():
            parked = self._parked.get(key)
            if parked is not None and not (self._strict and (parked.wish != "skip" or not _is_at(parked, item))):
                return True
        return False

    def _is_for_another(self, item: Item, retried: Parked) -> bool:
        """Whether an event is not to be folded when a key is retried. One that is parked under two keys is left to the
        retry of the other, as long as that has not come past it."""
        keys = item.parked_under()
        if retried.key not in keys:
            return True
        others = [self._parked[key] for key in keys if key != retried.key and key in self._parked]
        return any(other.position <= item.meta.position for other in others)

    async def _retry_parked(self) -> bool:
        """Fold a page of what came for keys that are to be retried; whether there may be more of it."""
        if self._wishes_may_wait:
            self._wishes_may_wait = False
            self._parked = {parked.key: parked for parked in await self._store.parked(self.build.id)}
        if self._checkpoint.shared:
            return False  # a fork is on its way in, and has all that it shares before its checkpoint
        wanted = [parked for parked in self._parked.values() if parked.wish and not self._strict]
        for parked in wanted:
            await self._retry(parked)
        return bool(wanted)

    async def _retry(self, parked: Parked) -> None:
        start = Position(parked.position + 1 if parked.wish == "skip" else parked.position)
        page = await self._page_for(parked, start)
        if page is None:
            await self._commit(self._checkpoint, {}, passed=(parked,))
            _logger.info("%s goes on with %r", self.build, parked.key)
            return
        all_of_it = PageSlice([(page, 0, len(page.records))])
        folded = await self._batch.fold(all_of_it, lambda item: self._is_for_another(item, parked), strict=False)
        if any(again.key == parked.key for again in folded.park):
            further = folded.park
        else:
            further = (*folded.park, parked._replace(position=Position(page.last + 1), wish="retry"))
        await self._commit(self._checkpoint, folded.rows, further, passed=(parked,))

    async def _page_for(self, parked: Parked, start: Position) -> DecodedPage | None:
        """Events from `start` to the checkpoint, among which are the next ones for a key; None when there are none."""
        if self._projection.key == "session" or parked.key.startswith(UNKEYED):
            session = parked.key.removeprefix(UNKEYED)
            version = await last_version(self._log, session, lambda record: record.position < start)
            records = await self._log.read_session(session, version, BATCH)
        else:
            records = await self._log.engine.read_log(start - 1, BATCH)
        records = [record for record in records if record.position <= self._checkpoint.position]
        return DecodedPage(records) if records else None


def _is_at(parked: Parked, item: Item) -> bool:
    return parked.position == item.meta.position
