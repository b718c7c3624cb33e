"""Advances one build for as long as its runner holds it.

The checkpoint is the place of the last event whose effects are stored, and moves in the same transaction with them. So
an event is folded once, whatever happens: after a commit that failed, or whose outcome is not known, a new worker
begins from what is stored.

While one batch is being written the next is read and folded already; it is written only when the one before is. A build
that is far behind is written seldom: values that change again and again are then written once for many pages of the
log. When anything fails it goes back to what is stored, and folds what it had not written page by page.

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
from .document_snapshots import DocumentSnapshots
from .log_reader import BATCH, LogReader, PageSlice

COMMIT_EVERY_S = 0.025
"""Between two commits of a view that is caught up: what comes meanwhile is folded together."""
HOLD_FIRST = 4_000
"""Events that a build that is behind folds at first before it writes, and then twice as many each time: so that a
process that ends again and again soon after it was started gets on nevertheless."""
HOLD_EVENTS, HOLD_BYTES, HOLD_CHANGES = 20_000, 16 * 2**20, 10_000
"""How many events, of how many bytes together, and how many changed values a build that is behind folds before it
writes, at most …"""
HOLD_S = {True: 3.0, False: 0.5}
"""… and for how many seconds: when it is strict, which readers do not see yet, and when it is not."""
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
        self._folded = build.checkpoint
        """The place up to which it is folded in memory; behind the checkpoint while something is held."""
        self._held_events = self._held_bytes = 0
        self._may_hold_events = HOLD_FIRST
        self._no_holding_until = Position(0)
        self._batch = Batch(projection, store, build, self._wait_stored)
        self._snapshots = DocumentSnapshots(projection, log)
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
        self._pages.subscribe(self._wake, together=True)
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
        if events is not None and not await self._fold(events, head):
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
            return await self._pages.after_with_shared(self._folded, self._wake)
        return await self._pages.after(self._folded.position, self._wake)

    async def _fold(self, events: PageSlice, head: Position) -> bool:
        """Fold, and commit unless that can wait. False when the build has stopped."""
        holds_more, to = self._folded != self._checkpoint, events.checkpoint(self._checkpoint.epoch)
        if await self._batch.fold(events, self._is_skipped if self._parked else None):
            self._folded = to
            self._held_events += events.length
            self._held_bytes += events.bytes
            await self._snapshots.take(events, self._batch)
            if self._may_hold(head) or await self._commit_held():
                return True
        if holds_more:
            self._go_back(to.position)
            return True
        return await self._fold_carefully(events, to)

    def _may_hold(self, head: Position) -> bool:
        return (
            self._no_holding_until <= self._folded.position < head
            and self._held_events < min(self._may_hold_events, HOLD_EVENTS)
            and self._held_bytes < HOLD_BYTES
            and self._batch.changed < HOLD_CHANGES
            and asyncio.get_running_loop().time() - self._committed < HOLD_S[self._strict]
            and not self._parked  # a retry folds into what is stored
        )

    async def _commit_held(self) -> bool:
        """Write what is folded. False if it cannot be."""
        rows = self._batch.changes()
        if rows is None:
            self._snapshots.forget()
        self._may_hold_events = min(2 * self._may_hold_events, HOLD_EVENTS)
        if rows is not None:
            await self._commit(self._folded, rows, passed=self._passed(self._folded), length=self._held_events)
        return rows is not None

    def _go_back(self, until: Position) -> None:
        """Fold again what is not written, and hold nothing back before this place is passed."""
        self._batch.forget()
        self._snapshots.forget()
        self._folded, self._held_events, self._held_bytes = self._checkpoint, 0, 0
        self._no_holding_until = Position(until + 1)

    async def _fold_carefully(self, events: PageSlice, to: Checkpoint) -> bool:
        try:
            folded = await self._batch.careful(events, self._is_skipped if self._parked else None, strict=self._strict)
        except Stuck as stuck:
            await self._stop_build(events, stuck.parked)
            return False
        await self._commit(to, folded.rows, folded.park, self._passed(to), length=events.length)
        return True

    def _passed(self, to: Checkpoint) -> list[Parked]:
        """What is no longer parked when a strict build has come so far: it had halted there until that was retried or
        skipped."""
        return [each for each in self._parked.values() if self._strict and each.position <= to.position]

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
        snapshots = self._snapshots.written(current=not self._strict)
        commit = commit._replace(passed_over=self._batch.passed_over.until(to.position), snapshots=snapshots)
        self._writing = asyncio.create_task(self._store.commit(self.build, commit))
        self._checkpoint, self._folded, self._rate, self._committed = to, to, rate, now
        self._held_events = self._held_bytes = 0
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
        why = f"at event {stuck.position} ({stuck.type} of session {stuck.session}): {stuck.error}"
        await self._commit(to, folded.rows, (stuck,), stopped=why)
        _logger.error("%s stopped %s", self.build, why)

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
        wanted = [parked for parked in self._parked.values() if parked.wish and not self._strict]
        if self._checkpoint.shared:
            return False  # a fork is on its way in, and has all that it shares before its checkpoint
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
        folded = await self._batch.fold_now(all_of_it, lambda item: self._is_for_another(item, parked))
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
