"""Group commit: whatever waits is planned together and written by one commit.

    submit → queue → (load what is missing) → plan → write → settle → publish → answer

One commit is under way at a time; what arrives meanwhile makes up the next batch, so batches grow with the load and a
lone request never waits for company. A request whose session is not at hand waits beside the queue while it is read,
with all later requests of that session behind it: requests of one session are decided in the order of submission.

Guarantees: an answer is given after the commit; a refused request never fails its batch; what cannot be written is
answered with `LogFailed` and is not in the log; when the committer itself dies, everything that waits is failed.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence

from ..domain.errors import Fenced, HansardError, LogError, LogFailed, LogUnreadable
from ..domain.ids import Position, SessionId, Version
from ..domain.model import Repeat
from ..domain.session import State
from ..domain.sessions import ForkSession
from . import repeats
from .cache import PAGE, Places, Sessions
from .engine import Engine, KeyTaken, LogMoved, TrackingTaken
from .planner import Known, Plan, needs
from .queue import Queue
from .records import Record
from .requests import Execute, Request, Review, Write
from .tally import Tally

_logger = logging.getLogger(__name__)

MAX_BATCH = 512
"""Requests planned at once: bounds how long planning holds the loop (about 10 ms)."""
MAX_EVENTS = 4_000
"""Events planned at once, where single requests bring many; the last request may go beyond."""
MAX_BYTES = 16 * 2**20
"""Bytes written at once, likewise."""
CROWDED = 3
"""Batches for which it takes its turn after another process came first, if none does again."""


class Committer:
    """Takes requests, writes them in batches, answers each."""

    def __init__(
        self, engine: Engine, sessions: Sessions, places: Places, publish: Callable[[list[Record]], None], queue: Queue
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._places = places
        self._publish = publish
        self._queue = queue
        self._under_way: list[Request] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._looks: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._closed: str | None = None
        self._position = Position(0)
        self._crowded = 0
        self.tally = Tally()

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
            while self._closed is None or self._queue or self._looks or self._tasks:
                self._wake.clear()
                if self._looks:
                    await self._look()
                if await self._commit_next():
                    continue
                if self._closed is None or self._queue:
                    await self._wake.wait()
                elif self._tasks:
                    await asyncio.wait(self._tasks)
        finally:
            self._end()

    async def _commit_next(self) -> bool:
        """Commit what may go on; returns whether there was anything. Where other processes have just come first it is
        done in a turn of this one, or a quicker one would come first again and again."""
        if not self._crowded or not self._queue:
            return await self._commit(*self._take())
        try:
            async with self._engine.turn():
                before = self._position
                await self._catch_up()
                self._crowded = self._crowded - 1 if self._position == before else CROWDED
                return await self._commit(*self._take())
        except LogFailed:
            self._crowded = 0  # it is tried without, and answered if that fails as well
            return True

    def _take(self) -> tuple[list[Request], dict[SessionId, State]]:
        """The next requests, with the states that they need; those whose session is not at hand are parked. What is
        in doubt goes alone."""
        requests: list[Request] = []
        states: dict[SessionId, State] = {}
        events = size = 0
        while len(requests) < MAX_BATCH and events < MAX_EVENTS and size < MAX_BYTES:
            request = self._queue.pop()
            if request is None:
                break
            if request.doubts and requests:
                self._queue.put_back([request])
                break
            if isinstance(request, Execute | Review):
                (session,) = request.sessions
                state = states.get(session) or self._at_hand(session)
                if state is None:
                    self._queue.park(session, request)
                    self._start(self._load(session))
                    continue
                if (
                    state.version == 0
                    and isinstance(request, Execute)
                    and isinstance(request.command.data, ForkSession)
                ):
                    if request.origin is None:
                        self._queue.park(session, request)
                        self._start(self._find_origin(request, request.command.data))
                        continue
                    state = request.origin
                states[session] = state
            requests.append(request)
            events += request.weight
            size += request.size
            if request.doubts:
                break
        return requests, states

    def _at_hand(self, session: SessionId) -> State | None:
        state = self._sessions.get(session)
        version = self._places.version(session)
        return None if state is not None and version is not None and version > state.version else state

    async def _load(self, session: SessionId) -> None:
        self._places.forget(session)
        try:
            await self._sessions.load(session)
        except Exception as error:
            waited = self._queue.unpark(session)
            refusal = error if isinstance(error, HansardError) else _fault("Reading the session", error)
            for request in waited:
                if isinstance(request, Execute | Review):
                    request.answer(refusal)
            self._queue.put_back([request for request in waited if isinstance(request, Write)])
        else:
            self._queue.put_back(self._queue.unpark(session))
        self._wake.set()

    async def _find_origin(self, request: Execute, data: ForkSession) -> None:
        session = request.command.session
        try:
            request.origin = await self._sessions.origin(
                session, data.origin, None if data.at is None else Version(data.at)
            )
        except Exception as error:
            request.answer(error if isinstance(error, HansardError) else _fault("Reading the session", error))
        self._queue.put_back(self._queue.unpark(session))
        self._wake.set()

    async def _commit(self, requests: list[Request], states: dict[SessionId, State]) -> bool:
        """Write these and answer them, or put them back; returns whether there were any."""
        self._under_way = taken = requests
        try:
            while requests:
                plan = await self._plan(requests, states)
                try:
                    await self._write(plan)
                except (KeyTaken, TrackingTaken):
                    requests = await self._without_repeats(requests, plan)
                except LogMoved:
                    self._crowded = CROWDED
                    self.tally.overtaken += 1
                    await self._catch_up(at_least=1)
                    self._queue.put_back(requests)
                    break
                else:
                    self._settle(plan)
                    break
        except LogFailed as failure:
            self.tally.lost(time.monotonic())
            for request in requests:
                request.answer(failure)
        self._under_way = []
        return bool(taken)

    async def _plan(self, requests: list[Request], states: dict[SessionId, State]) -> Plan:
        heads, producers = [], []
        for request in requests:
            if isinstance(request, Write) or (isinstance(request, Execute) and (request.expect or request.producer)):
                more_heads, more_producers = needs(request)
                heads += more_heads
                producers += more_producers
        plan = Plan(self._position, Known(states, *await self._places.find(heads, producers)))
        for request in requests:
            plan.add(request)
        return plan

    async def _write(self, plan: Plan) -> None:
        """Write what was planned. Where nothing is to be written, but something refused, others may have written what
        it was refused for the lack of."""
        if plan.batch.records or plan.batch.tracking or plan.batch.live:
            began = time.monotonic()
            await self._engine.write(plan.batch)
            self.tally.committed(len(plan.batch.records), time.monotonic() - began)
        elif plan.refused and self._engine.shared and (await self._engine.mark()).position != self._position:
            raise LogMoved

    def _settle(self, plan: Plan) -> None:
        plan.settle(self._sessions, self._places)
        self._position = Position(self._position + len(plan.batch.records))
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
        self, found: Sequence[tuple[Request, Repeat]], refused: Sequence[tuple[Request, HansardError]]
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
            for request, repeat in found:
                request.answer(await repeats.find_earlier(self._sessions.lineage, request.sessions[0], repeat))
        except Exception as error:
            failure = error if isinstance(error, HansardError) else _fault("Looking up a repeat", error)
            for request, _ in (*refused, *found):
                request.answer(failure)

    async def _without_repeats(self, requests: list[Request], plan: Plan) -> list[Request]:
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
        if any(request.done for request in written):
            return [request for request in requests if not request.done]
        for request in written:
            self._doubt(request)
        self._queue.put_back(requests)
        return []

    def _doubt(self, request: Request) -> None:
        request.doubts += 1
        for session in request.sessions:
            self._sessions.forget(session)
            self._places.forget(session)
        if request.doubts > 1:
            request.answer(LogFailed("The log refuses this for no reason that can be seen in it; nothing was written."))

    async def _look(self) -> None:
        looks, self._looks = self._looks, []
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
        if self._position - before < at_least:
            raise LogUnreadable(f"The log no longer stands at position {before}; was it restored? Open it anew.")

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _end(self) -> None:
        self._closed = self._closed or "The log's writer has stopped; nothing was written. Restart it."
        for task in self._tasks:
            task.cancel()
        for request in self._under_way:
            request.answer(
                LogFailed("The log's writer has stopped; this may have been written. Restart it, and repeat.")
            )
        self._queue.refuse_all(LogFailed(self._closed))
        for look in self._looks:
            if not look.done():
                look.set_exception(LogFailed(self._closed))


def _fault(what: str, error: Exception) -> LogError:
    _logger.error("%s failed", what, exc_info=error)
    return LogFailed(f"{what} failed inside the server: {error!r}.")
