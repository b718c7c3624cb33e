"""Effects: what a projection does to the world when something happens, apart from the view that it keeps.

    @board.effect
    async def _(event: TaskFailed, meta: Meta) -> None:
        await pager.send(f"{meta.actor} failed at {event.task}")

Effects have a place of their own in the log. It begins where the log ends when the projection is first run, and is
stored before anything else is done; it stays when views are built again. So history is never acted upon, a rebuild does
nothing, and no later event is left out. Effects are carried out one after the other, in the log's order, by one runner,
and at least once: the one that was under way when a runner died is carried out again by the next (`meta.id` tells a
repeat). One that fails three times is parked, and the others go on.
"""

import asyncio
import logging
from typing import Any

from ...log.log import Log
from ...log.records import Record
from ..authoring.faults import described
from ..authoring.meta import read
from ..authoring.projection import Projection
from ..authoring.shape import Column, Shape
from ..store import Build, Checkpoint, Commit, Parked, ViewStore
from .checkpoints import check_log, checkpoint_at
from .log_reader import LogReader

SUFFIX = "__effects"
SHAPE = Shape((Column("position", "integer"),), ("position",))
"""Effects keep no rows: their place and what is parked is all."""
RETRY_AFTER_S = (0.1, 1.0)
"""Between the tries of an effect."""

_logger = logging.getLogger(__name__)


class Effects:
    """Carries out the effects of one projection, as far as `build` has come with them."""

    def __init__(
        self, projection: Projection[Any, Any], log: Log, store: ViewStore, pages: LogReader, build: Build
    ) -> None:
        self._projection = projection
        self._log = log
        self._store = store
        self._pages = pages
        self._build = build
        self._checkpoint = build.checkpoint
        self._wake = asyncio.Event()
        self._wishes_may_wait = True
        self._stopping = False

    def look_for_wishes(self) -> None:
        """Look at once whether somebody wishes a parked effect to be retried or skipped."""
        self._wishes_may_wait = True
        self._wake.set()

    def finish(self) -> None:
        """End after the effect that is under way."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled, or `finish`. Raises CheckpointMoved, OtherLog, ViewsFailed, LogFailed."""
        await check_log(self._log, self._checkpoint)
        if self._build.state == "building":
            await self._store.promote(self._build.id)
        self._pages.subscribe(self._wake)
        try:
            while not self._stopping:
                await self._advance()
        finally:
            self._pages.unsubscribe(self._wake)

    async def _advance(self) -> None:
        self._wake.clear()  # before looking for work: cleared after that, it would lose what comes in between
        if self._wishes_may_wait:
            self._wishes_may_wait = False
            await self._retry_parked()
        events = await self._pages.after(self._checkpoint.position, self._wake)
        if events is None:
            await self._wake.wait()
            return
        for page, start, end in events.parts:
            for record in page.records[start:end]:
                if self._stopping:
                    return
                if self._projection.effects.of(record.type):
                    # Carried out, then committed: the other way round a crash between the two would lose the effect.
                    await self._commit(self._at(record), await self._carry_out(record))
        await self._commit(self._at(events.last))

    async def _carry_out(self, record: Record) -> tuple[Parked, ...]:
        """Carry out an event's effects; what is to be parked when they fail each time."""
        fault: BaseException = Exception()
        for pause in (0.0, *RETRY_AFTER_S):
            await asyncio.sleep(pause)
            try:
                await self._try(record)
            except BaseException as error:
                if _is_cancelled() or isinstance(error, GeneratorExit):
                    raise
                fault = error
            else:
                return ()
        said = described(fault)
        _logger.error("an effect of %s failed at position %d: %s", self._projection.name, record.position, said)
        return (Parked(str(record.position), record.position, record.session, record.type, said),)

    async def _try(self, record: Record) -> None:
        event, meta = read(record)
        if meta.audience is not None and self._projection.seen is None:
            return
        for call, _, wants_meta in self._projection.effects.of(record.type):
            await (call(event, meta) if wants_meta else call(event))

    async def _retry_parked(self) -> None:
        for parked in await self._store.parked(self._build.id):
            if parked.wish == "skip":
                await self._commit(self._checkpoint, unpark=(parked.key,))
            elif parked.wish == "retry":
                (record,) = await self._log.engine.read_log(parked.position - 1, 1)
                again = await self._carry_out(record)
                await self._commit(self._checkpoint, again, () if again else (parked.key,))

    def _at(self, record: Record) -> Checkpoint:
        return checkpoint_at(self._checkpoint.epoch, record)

    async def _commit(self, to: Checkpoint, park: tuple[Parked, ...] = (), unpark: tuple[str, ...] = ()) -> None:
        build = self._build
        commit = Commit(build.id, build.token, self._checkpoint, to, {}, park, unpark)
        await self._store.commit(build, commit)
        self._checkpoint = to


def _is_cancelled() -> bool:
    """Whether this task is being cancelled; otherwise it is the effect itself that raised CancelledError."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
