"""Group commit: whatever waits is planned together and written by one commit.

    submit → queue → intake → plan → write → settle → publish → answer

One commit is under way at a time; what arrives meanwhile makes up the next batch, so batches grow with the load and a
lone request never waits for company. Plain commands of that next batch are decided during the commit, on top of what
is being written, and the storage is given it to go on with at once, so that neither waits for the other. When the
commit fails, they are decided anew.

Guarantees: an answer is given after the commit; a refused request never fails its batch; what cannot be written is
answered with `LogFailed` and is not in the log; when the committer itself dies, everything that waits is failed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence

from ...domain.errors import Fenced, LogFailed, LogReplaced, StenogramError
from ...domain.ids import Position, Version
from ...domain.model import Repeat
from ..engine import Engine, KeyTaken, LogMoved, TrackingTaken, is_last
from ..records import Record
from ..stats import LogStats
from . import repeats
from .intake import Intake, Room, fault
from .outcome import MOST_AT_ONCE
from .planner import Known, Plan, needs
from .queue import RequestQueue
from .requests import Execute, Request
from .session_cache import PAGE, HeadCache, SessionCache

DEPTH = 2
"""Batches that the storage is given at a time: it goes on with the second without hearing from the loop."""
SMALL_BATCH_EVENTS = 64
"""Events with which a batch is given to the storage while that has another one; fewer wait for more."""
TURNS_AFTER_A_LOST_RACE = 3
"""Batches for which it takes its turn after another process came first, if none does again."""

Written = tuple[Plan, "asyncio.Task[Exception | None]"]


class _Ahead:
    """A plan in the making, on top of one that is given to the storage."""

    def __init__(self, below: Plan) -> None:
        self.plan = Plan(below.end)
        self.room = Room()

    @property
    def is_enough(self) -> bool:
        return len(self.plan.batch.records) >= SMALL_BATCH_EVENTS


class Committer:
    """Takes requests, writes them in batches, answers each."""

    def __init__(
        self,
        engine: Engine,
        sessions: SessionCache,
        places: HeadCache,
        publish: Callable[[list[Record]], None],
        queue: RequestQueue,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._places = places
        self._publish = publish
        self._queue = queue
        self._wake = asyncio.Event()
        self._intake = Intake(queue, sessions, places, self._wake.set)
        self._under_way: list[Request] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._looks: list[asyncio.Future[None]] = []
        self._closed: str | None = None
        self._position = Position(0)
        self._crowded = 0
        self._unsure = False  # whether something may be in the log though it seemed to fail
        self.tally = LogStats()

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
            raise LogFailed(self._closed)
        self._queue.put(request)
        self._wake.set()

    async def look(self) -> None:
        """Take over what other processes have written; returns when that is done. Asked of an open committer."""
        look = asyncio.get_running_loop().create_future()
        self._looks.append(look)
        self._wake.set()
        await look

    def close(self) -> None:
        """Take nothing more; `run` returns when what waits is answered."""
        self._closed = self._closed or "The log is being closed; nothing was written."
        self._wake.set()

    async def run(self) -> None:
        """Write until closed. Fails everything that waits if it ends in any other way."""
        try:
            while self._closed is None or self._queue or self._looks or self._tasks or self._intake.tasks:
                self._wake.clear()
                if self._looks or self._unsure:
                    await self._look()
                if await self._commit_next():
                    continue
                if self._closed is None or self._queue:
                    await self._wake.wait()
                elif tasks := self._tasks | self._intake.tasks:
                    await asyncio.wait(tasks)
        finally:
            self._end()

    async def _commit_next(self) -> bool:
        """Commit what may go on; returns whether there was anything. Where other processes have just come first it is
        done in a turn of this one, or a quicker one would come first again and again."""
        if not self._crowded or not self._queue:
            return await self._commit()
        try:
            async with self._engine.turn():
                before = self._position
                await self._catch_up()
                self._crowded = self._crowded - 1 if self._position == before else TURNS_AFTER_A_LOST_RACE
                return await self._commit()
        except LogFailed:
            self._crowded = 0  # it is tried without, and answered if that fails as well
            return True

    async def _commit(self) -> bool:
        """Write what waits, and what comes meanwhile, and answer it, or put it back; returns whether there was
        anything."""
        requests: list[Request] = []
        try:
            taken = list(self._intake.take(Room()))
            requests = [request for request, _ in taken]
            plan = Plan(self._position, Known(*await self._places.find(*needs(requests))))
            for number, (request, state) in enumerate(taken):
                if plan.followed >= MOST_AT_ONCE:
                    self._queue.put_back(requests[number:])
                    break
                plan.add(request, state)
            requests = plan.requests
            if requests:
                plan, failure = await self._write_on(plan)
                requests = plan.requests
                if failure is not None:
                    await self._recover(plan, failure)
        except LogFailed as failure:
            self.tally.lost(time.monotonic())
            self._unsure = True
            for request in requests:
                request.answer(failure)
        self._under_way = []
        return bool(requests)

    async def _write_on(self, plan: Plan) -> tuple[Plan, Exception | None]:
        """Write a plan, then those that are made on top of it meanwhile, until there is none, or one fails; returns
        the last, and what it failed at.

        When a plan fails, the one behind it applies to a place which the log has not come to. Should it have been
        written all the same, because the failure came after the commit, its commands are found again as repeats.
        """
        async with asyncio.TaskGroup() as group:
            line, ahead = deque([self._begin(group, plan)]), _Ahead(plan)
            while line:
                plan, writing = line[0]
                if not writing.done():
                    self._wake.clear()
                    self._fill(ahead, [plan for plan, _ in line])
                    if ahead.is_enough and len(line) < DEPTH:
                        line.append(self._begin(group, ahead.plan))
                        ahead = _Ahead(ahead.plan)
                    else:
                        await self._wake.wait()
                    continue
                line.popleft()
                if (failure := writing.result()) is not None:
                    await self._drop([*line, (ahead.plan, None)])
                    return plan, failure
                if not line and ahead.plan.requests:
                    line.append(self._begin(group, ahead.plan))
                    ahead = _Ahead(ahead.plan)
                    await asyncio.sleep(0)  # the storage gets to work before the answers go out
                self._settle(plan)
                self._under_way = [request for plan, _ in line for request in plan.requests]
        return plan, None

    def _begin(self, group: asyncio.TaskGroup, plan: Plan) -> Written:
        self._under_way += plan.requests
        writing = group.create_task(self._write(plan))
        writing.add_done_callback(lambda _: self._wake.set())
        return plan, writing

    def _fill(self, ahead: _Ahead, below: Sequence[Plan]) -> None:
        """Plan what has come meanwhile, on top of what is being written. Not where others write as well and have come
        first, or may have: then this would most often be in vain."""
        if not self._crowded and not self._looks and ahead.plan.followed < MOST_AT_ONCE:
            for request, state in self._intake.take_ahead(ahead.room, below):
                ahead.plan.add(request, state)
                if ahead.plan.followed >= MOST_AT_ONCE:
                    break

    async def _drop(self, plans: "Sequence[tuple[Plan, asyncio.Task[Exception | None] | None]]") -> None:
        """Put back what was planned on top of a plan that failed, when no more of it is being written."""
        for plan, writing in reversed(plans):
            if writing is not None:
                await asyncio.wait([writing])
            self._queue.put_back(plan.requests)

    async def _write(self, plan: Plan) -> Exception | None:
        """Write what was planned; returns what that failed at. Where nothing is to be written, but something refused,
        others may have written what it was refused for the lack of."""
        batch = plan.batch
        try:
            if batch.records or batch.producers or batch.tracking or batch.live:
                began = time.monotonic()
                await self._engine.write(batch)
                self.tally.committed(len(batch.records), time.monotonic() - began)
            elif plan.refused and self._engine.shared and (await self._engine.mark()).position != batch.after:
                return LogMoved()
        except Exception as failure:
            return failure
        return None

    async def _recover(self, plan: Plan, failure: Exception) -> None:
        """After a write that failed: put back what is to be tried again, answer the rest."""
        if isinstance(failure, KeyTaken | TrackingTaken):
            self._queue.put_back(await self._without_repeats(plan))
        elif isinstance(failure, LogMoved):
            self._crowded = TURNS_AFTER_A_LOST_RACE
            self.tally.overtaken += 1
            await self._catch_up(at_least=1)
            self._queue.put_back(plan.requests)
        else:
            raise failure

    def _settle(self, plan: Plan) -> None:
        plan.settle(self._sessions, self._places)
        self._position = plan.end
        if plan.batch.records:
            self._publish(plan.batch.records)
        self._queue.put_back(plan.later)
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
        if plan.repeats or unclear:
            self._start(self._look_up(plan.repeats, unclear))

    async def _look_up(
        self, found: Sequence[tuple[Request, Repeat, Version]], refused: Sequence[tuple[Request, StenogramError]]
    ) -> None:
        """Answer by what the log has: what was written before, with its place; a refused request with its first result,
        if it had been accepted before. Later batches do not wait for this."""
        try:
            first = await repeats.find_first_results(self._engine, [request for request, _ in refused])
            for request, refusal in refused:
                if id(request) in first:
                    request.answer(first[id(request)])
                elif isinstance(refusal, Fenced) and isinstance(request, Execute) and not request.fresh:
                    request.fresh = True
                    self._queue.put_back([request])
                    self._wake.set()
                else:
                    request.answer(refusal)
            for request, repeat, upto in found:
                request.answer(await repeats.find_earlier(self._sessions.lineage, request.sessions[0], repeat, upto))
        except Exception as error:
            failure = error if isinstance(error, StenogramError) else fault("Looking up a repeat", error)
            for request in [request for request, *_ in refused] + [request for request, *_ in found]:
                request.answer(failure)

    async def _without_repeats(self, plan: Plan) -> list[Request]:
        """After the storage found something taken: answer those whose it is; returns the rest, to be planned anew.

        If it is nobody's, what is at hand may be wrong. It is dropped, and each tries once more, alone.
        """
        written = [request for request, result in plan.accepted if not result.repeated]
        first = await repeats.find_first_results(self._engine, written)
        for request in written:
            if id(request) in first:
                request.answer(first[id(request)])
            elif conflict := await repeats.find_conflict(self._engine, request):
                request.answer(conflict)
        if not any(request.done for request in written):
            for request in written:
                self._doubt(request)
        return plan.requests

    def _doubt(self, request: Request) -> None:
        request.doubts += 1
        for session in request.sessions:
            self._sessions.forget(session)
            self._places.forget(session)
        if request.doubts > 1:
            request.answer(LogFailed("The log refuses this for no reason that can be seen in it; nothing was written."))

    async def _look(self) -> None:
        looks, self._looks = self._looks, []
        self._unsure = False
        try:
            await self._catch_up()
        except LogFailed as failure:
            for look in looks:
                if not look.done():
                    look.set_exception(failure)
        else:
            for look in looks:
                if not look.done():
                    look.set_result(None)

    async def _catch_up(self, at_least: int = 0) -> None:
        """Take over what other processes wrote, which may have to be something."""
        before = self._position
        while records := await self._engine.read_log(self._position, PAGE):
            self._sessions.follow(records)
            self._places.follow(records)
            self._position = records[-1].position
            self._publish(records)
            if is_last(records, PAGE):
                break
        if self._position - before < at_least:
            raise LogReplaced(f"The log no longer stands at position {before}; was it restored? Open it anew.")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        self._closed = self._closed or "The log's writer has stopped; nothing was written. Restart it."
        for task in self._tasks | self._intake.tasks:
            task.cancel()
        for request in self._under_way:
            request.answer(
                LogFailed("The log's writer has stopped; this may have been written. Restart it, and repeat.")
            )
        self._queue.refuse_all(LogFailed(self._closed))
        for look in self._looks:
            if not look.done():
                look.set_exception(LogFailed(self._closed))
