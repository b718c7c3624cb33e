"""Group commit: whatever waits is planned together and written by one commit.

    submit → queue → intake → plan → write → settle → publish → answer

One commit is under way at a time; what arrives meanwhile makes up the next batch, so batches grow with the load and a
lone request never waits for company. Plain commands of that next batch are decided during the commit, on top of what
is being written, and the storage is given it to go on with at once, so that neither waits for the other. When the
commit fails, they are decided again.

Guarantees: an answer is given after the commit; a refused request never fails its batch; what cannot be written is
answered with `LogFailed` and is not in the log; when the committer itself dies, everything that waits is failed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from ...domain.errors import Fenced, LogFailed, LogReplaced, StenogramError
from ...domain.ids import Position
from ...domain.state import State
from ..engine import Engine, KeyTaken, LogMoved, TrackingTaken
from ..paging import log_pages
from ..records import Record
from ..stats import Commit, LogStats
from . import repeats
from .intake import Intake, Room, fault
from .planner import Known, Plan, needs
from .queue import RequestQueue
from .requests import Execute, Request, is_measured
from .rest import Stopwatch
from .session_cache import HeadCache, SessionCache

BATCHES_IN_FLIGHT = 2
"""Batches that the storage is given at a time: it goes on with the second without hearing from the loop."""
SMALL_BATCH_EVENTS = 64
"""Events with which a batch is given to the storage while that has another one; fewer wait for more."""
LOCKED_BATCHES = 3
"""Batches before which other writers are locked out after one of them came first, if none does again."""

Written = tuple[Plan, "asyncio.Task[Exception | None]"]


class _NextPlan:
    """A plan in the making, on top of one that is given to the storage."""

    def __init__(self, below: Plan, room: Room) -> None:
        self.plan = Plan(below.end)
        self.room = room

    @property
    def is_enough(self) -> bool:
        return len(self.plan.batch.records) >= SMALL_BATCH_EVENTS


class Committer:
    """Takes requests, writes them in batches, answers each."""

    def __init__(
        self,
        engine: Engine,
        sessions: SessionCache,
        heads: HeadCache,
        publish: Callable[[list[Record]], None],
        queue: RequestQueue,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._heads = heads
        self._publish = publish
        self._queue = queue
        self._wake = asyncio.Event()
        self._intake = Intake(queue, sessions, heads, self._wake.set)
        self._in_flight: list[Request] = []  # given to the storage, and not answered yet
        self._tasks: set[asyncio.Task[None]] = set()
        self._catch_ups: list[asyncio.Future[None]] = []  # those who wait for other processes' events
        self._closed: str | None = None
        self._position = Position(0)
        self._contended = 0  # batches to come before which other writers are locked out
        self._unsure = False  # whether something may be in the log though it seemed to fail
        self.stats = LogStats()

    def start_at(self, position: Position) -> None:
        """Say where the log stands, before `run`."""
        self._position = position

    @property
    def closed(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._closed is not None

    def submit(self, request: Request) -> None:
        """Queue a request. Raises Busy when the queue is full, LogFailed when nothing is written any more."""
        if self._closed is not None:
            raise LogFailed(self._closed)  # after `_end` nobody would answer it
        request.asked_at = time.monotonic()
        self._queue.put(request)
        self._wake.set()

    async def catch_up(self) -> None:
        """Take over what other processes have written; returns when that is done. Asked of an open committer."""
        done = asyncio.get_running_loop().create_future()
        # `run` does it, between two commits: read beside a commit, its events would be published before that one's.
        self._catch_ups.append(done)
        self._wake.set()
        await done

    def close(self) -> None:
        """Take nothing more; `run` returns when what waits is answered."""
        self._closed = self._closed or "The log is being closed; nothing was written."
        self._intake.hurry()
        self._wake.set()

    async def run(self) -> None:
        """Write until closed. Fails everything that waits if it ends in any other way."""
        try:
            while self._closed is None or self._queue or self._catch_ups or self._tasks or self._intake.tasks:
                self._wake.clear()  # before looking for work: cleared after that, it would lose what came in between
                if self._catch_ups or self._unsure:
                    await self._answer_catch_ups()
                if await self._commit_next():
                    continue
                if self._closed is None or self._queue:
                    await self._wake.wait()
                elif tasks := self._tasks | self._intake.tasks:
                    await asyncio.wait(tasks)  # they answer, or put back, requests that were taken before the close
        finally:
            self._end()

    async def _commit_next(self) -> bool:
        """Commit what may go on; returns whether there was anything. Where other processes have just come first they
        are locked out meanwhile, or a quicker one would come first again and again."""
        if not self._contended or not self._queue:
            return await self._commit()
        try:
            async with self._engine.hold_writers():
                before = self._position
                await self._read_others()  # inside: what is written until the lock is had would make this batch fail
                self._contended = self._contended - 1 if self._position == before else LOCKED_BATCHES
                return await self._commit()
        except LogFailed:
            self._contended = 0  # it is tried without the lock, and answered if that fails as well
            return True

    async def _commit(self) -> bool:
        """Write what waits, and what comes meanwhile, and answer it, or put it back; returns whether there was
        anything."""
        requests: list[Request] = []
        try:
            taken = list(self._intake.dequeue(self._intake.new_room()))
            requests = [request for request, _ in taken]
            plan = Plan(self._position, Known(*await self._heads.find(*needs(requests))))
            for number, (request, state) in enumerate(taken):
                if plan.is_full():
                    self._queue.put_back(requests[number:])
                    break
                self._add(plan, request, state)
            requests = plan.requests
            if requests:
                plan, failure = await self._write_on(plan)
                requests = plan.requests
                if failure is not None:
                    await self._recover(plan, failure)
        except LogFailed as failure:
            self.stats.lost(time.monotonic(), str(failure))
            # The batch may be in the log all the same. If nothing were read before the next write, its events would not
            # be published until then.
            self._unsure = True
            for request in requests:
                request.answer(failure)
        self._in_flight = []
        return bool(requests)

    async def _write_on(self, plan: Plan) -> tuple[Plan, Exception | None]:
        """Write a plan, then those that are made on top of it meanwhile, until there is none, or one fails; returns
        the last, and what it failed at.

        When a plan fails, the one behind it applies to a place which the log has not come to. Should it have been
        written all the same, because the failure came after the commit, its commands are found again as repeats.
        """
        async with asyncio.TaskGroup() as group:
            writes, next_plan = deque([self._begin_write(group, plan)]), self._next_plan(plan)
            while writes:
                plan, writing = writes[0]
                if not writing.done():
                    self._wake.clear()  # before filling, as in `run`; the write's end sets it as well
                    self._fill(next_plan, [plan for plan, _ in writes])
                    if next_plan.is_enough and len(writes) < BATCHES_IN_FLIGHT:
                        writes.append(self._begin_write(group, next_plan.plan))
                        next_plan = self._next_plan(next_plan.plan)
                    else:
                        await self._wake.wait()
                    continue
                writes.popleft()
                if (failure := writing.result()) is not None:
                    await self._drop([*writes, (next_plan.plan, None)])
                    return plan, failure
                if not writes and next_plan.plan.requests:
                    writes.append(self._begin_write(group, next_plan.plan))
                    next_plan = self._next_plan(next_plan.plan)
                    await asyncio.sleep(0)  # the storage gets to work before the answers go out
                self._settle(plan)
                self._in_flight = [request for plan, _ in writes for request in plan.requests]
        return plan, None

    def _next_plan(self, below: Plan) -> _NextPlan:
        return _NextPlan(below, self._intake.new_room())

    def _begin_write(self, group: asyncio.TaskGroup, plan: Plan) -> Written:
        self._in_flight += plan.requests  # before the task: `_end` must answer them if this is cancelled
        writing = group.create_task(self._write(plan))
        writing.add_done_callback(lambda _: self._wake.set())
        return plan, writing

    def _fill(self, next_plan: _NextPlan, below: Sequence[Plan]) -> None:
        """Plan what has come meanwhile, on top of what is being written. Not where others write as well and have come
        first, or may have: then this would most often be in vain."""
        if not self._contended and not self._catch_ups and not next_plan.plan.is_full():
            for request, state in self._intake.dequeue_ahead(next_plan.room, below):
                self._add(next_plan.plan, request, state)
                if next_plan.plan.is_full():
                    break

    def _add(self, plan: Plan, request: Request, state: State | None) -> None:
        """Plan a request, and have its sender rest if that took long."""
        if not is_measured(request):
            return plan.add(request, state)
        watch = Stopwatch()
        plan.add(request, state)
        held = watch.lap()
        plan.held += held
        return self._intake.rest_after(request.sender, held)

    async def _drop(self, plans: "Sequence[tuple[Plan, asyncio.Task[Exception | None] | None]]") -> None:
        """Put back what was planned on top of a plan that failed, when no more of it is being written."""
        for plan, writing in reversed(plans):  # the last first, since each is put before what waits
            if writing is not None:
                await asyncio.wait([writing])  # put back while it is being written, it could be written twice
            self._queue.put_back(plan.requests)

    async def _write(self, plan: Plan) -> Exception | None:
        """Write what was planned; returns what that failed at. Where nothing is to be written, but something was
        refused, other processes may have written what it was refused for the lack of: then it is decided again."""
        batch = plan.batch
        try:
            if batch.records or batch.producers or batch.tracking or batch.live:
                began = time.monotonic()
                await self._engine.write(batch)
                plan.commit = Commit(len(batch.records), began, time.monotonic() - began)
                self.stats.committed(plan.commit)
            elif plan.refused and self._engine.shared and (await self._engine.head()).position != batch.after:
                return LogMoved()
        except Exception as failure:
            return failure
        return None

    async def _recover(self, plan: Plan, failure: Exception) -> None:
        """After a write that failed: put back what is to be tried again, answer the rest."""
        if isinstance(failure, KeyTaken | TrackingTaken):
            self._queue.put_back(await self._without_repeats(plan))
        elif isinstance(failure, LogMoved):
            self._contended = LOCKED_BATCHES
            self.stats.overtaken += 1
            await self._read_others(at_least=1)  # with nothing new read, the same plan would fail again and again
            self._queue.put_back(plan.requests)
        else:
            raise failure

    def _settle(self, plan: Plan) -> None:
        # Caches, then subscribers, then answers: who is answered, and asks at once, finds the own event in both.
        plan.settle(self._sessions, self._heads)
        self._position = plan.end
        if plan.batch.records:
            self._publish(plan.batch.records)
        self._queue.put_back(plan.later)
        self.stats.answering(plan.commit, [request.asked_at for request, _ in plan.accepted], time.monotonic())
        for request, result in plan.accepted:
            request.answer(result)
        for request, refusal in plan.fenced:
            request.answer(refusal)
        unclear = []
        for request, refusal in plan.refused:
            if request.key is None:
                request.answer(refusal)
            else:
                unclear.append((request, refusal))
        if plan.repeats or plan.numbered or unclear:
            self._start(self._answer_from_log(plan, unclear))

    async def _answer_from_log(self, plan: Plan, refused: Sequence[tuple[Request, StenogramError]]) -> None:
        """Answer by what the log has: what was written before, with its place; a refused request with its first result,
        if it had been accepted before. Later batches do not wait for this."""
        try:
            first = await repeats.find_first_results(self._engine, [request for request, _ in refused])
            for request, refusal in refused:
                if id(request) in first:
                    request.answer(first[id(request)])
                elif isinstance(refusal, Fenced) and isinstance(request, Execute) and not request.fresh:
                    request.fresh = True  # it is no repeat: the next plan puts its refusal on record
                    self._queue.put_back([request])
                    self._wake.set()
                else:
                    request.answer(refusal)
            for request, repeat, upto in plan.repeats:
                request.answer(await repeats.find_earlier(self._sessions.lineage, request, repeat, upto))
            for numbered, last in plan.numbered:
                numbered.answer(await repeats.find_numbered(self._engine, numbered, last))
        except Exception as error:
            failure = error if isinstance(error, StenogramError) else fault("Looking up a repeat", error)
            asked: Sequence[Sequence[Any]] = (*refused, *plan.repeats, *plan.numbered)
            for request, *_ in asked:
                request.answer(failure)

    async def _without_repeats(self, plan: Plan) -> list[Request]:
        """After the storage found something taken: answer those whose it is; returns the rest, to be planned again.

        If it is nobody's, what is cached may be wrong. It is dropped, and each is tried once more, alone: then a second
        refusal is that request's own.
        """
        written = [request for request, result in plan.accepted if not result.repeated]
        taken = await repeats.find_taken(self._engine, written)
        for request in written:
            if id(request) in taken:
                request.answer(taken[id(request)])
        if not any(request.done for request in written):
            for request in written:
                self._doubt(request)
        return plan.requests

    def _doubt(self, request: Request) -> None:
        request.doubts += 1
        for session in request.sessions:
            self._sessions.forget(session)
            self._heads.forget(session)
        if request.doubts > 1:
            request.answer(LogFailed("The log refuses this for no reason that can be seen in it; nothing was written."))

    async def _answer_catch_ups(self) -> None:
        # Taken before reading: one that is asked for meanwhile may mean an event behind the page that is read last.
        waiting, self._catch_ups = self._catch_ups, []
        self._unsure = False
        try:
            await self._read_others()
        except LogFailed as failure:
            for each in waiting:
                if not each.done():  # who asked may have been cancelled
                    each.set_exception(failure)
        else:
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    async def _read_others(self, at_least: int = 0) -> None:
        """Take over what other processes wrote, which may have to be something."""
        before = self._position
        async for records in log_pages(self._engine, before):
            self._sessions.follow(records)
            self._heads.follow(records)
            self._position = records[-1].position
            self._publish(records)
        if self._position - before < at_least:
            raise LogReplaced(f"The log no longer stands at position {before}; was it restored? Open it again.")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop keeps weak references only
        task.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        self._closed = self._closed or "The log's writer has stopped; nothing was written. Restart it."
        for task in self._tasks | self._intake.tasks:
            task.cancel()
        for request in self._in_flight:  # before the queue's: these may be in the log, the others are not
            request.answer(
                LogFailed("The log's writer has stopped; this may have been written. Restart it, and repeat.")
            )
        self._queue.refuse_all(LogFailed(self._closed))
        for each in self._catch_ups:
            if not each.done():
                each.set_exception(LogFailed(self._closed))
