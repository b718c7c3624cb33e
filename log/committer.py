"""Group commit: whatever waits is planned together and written by one commit.

    submit → queue → (load what is missing) → plan → write → settle → publish → answer

One commit is under way at a time; what arrives meanwhile makes up the next batch, so batches grow with the load and a
lone request never waits for company. A request whose session is not at hand waits beside the queue while it is read,
with all later requests of that session behind it: requests of one session are decided in the order of submission.

Guarantees: an answer is given after the commit; a refused request never fails its batch; what cannot be written is
answered with `LogFailed` and is not in the log; when the committer itself dies, everything that waits is failed.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from ..domain.errors import Busy, HansardError, LogError, LogFailed
from ..domain.ids import Position, SessionId
from . import repeats
from .cache import PAGE, Places, Sessions
from .engine import Engine, KeyTaken, LogMoved, TrackingTaken
from .planner import Plan, needs
from .records import ANYTHING, Appended, Record
from .requests import Execute, Request

MAX_BATCH = 512
"""Requests planned at once: bounds how long planning holds the loop (about 10 ms)."""


class Committer:
    """Takes requests, writes them in batches, answers each."""

    def __init__(
        self,
        engine: Engine,
        sessions: Sessions,
        places: Places,
        publish: Callable[[list[Record]], None],
        *,
        max_waiting: int,
        max_waiting_bytes: int,
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._places = places
        self._publish = publish
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._queue: deque[Request] = deque()
        self._parked: dict[SessionId, list[Request]] = {}
        self._waiting = 0
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._closed: LogError | None = None
        self._position = Position(0)

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return self._waiting

    def start_at(self, position: Position) -> None:
        """Say where the log stands, before `run`."""
        self._position = position

    def submit(self, request: Request) -> None:
        """Queue a request. Raises Busy when the queue is full, LogFailed when nothing is written any more."""
        if self._closed is not None:
            raise self._closed
        if self._waiting >= self._max_waiting or self._waiting_bytes + request.size > self._max_waiting_bytes:
            raise Busy("Too much waits to be written; try again shortly.", retry_after=0.1)
        self._waiting += 1
        self._waiting_bytes += request.size
        request.answer.add_done_callback(lambda _: self._left(request))
        self._queue.append(request)
        self._wake.set()

    def close(self) -> None:
        """Take nothing more; `run` returns when what waits is answered."""
        self._closed = self._closed or LogFailed("The log is being closed; nothing was written.")
        self._wake.set()

    async def run(self) -> None:
        """Write until closed. Fails everything that waits if it ends in any other way."""
        try:
            async with asyncio.TaskGroup() as loads:
                while not (self._closed and not self._queue and not self._parked):
                    if requests := self._take(loads):
                        await self._commit(requests)
                    elif self._closed is None or self._parked:
                        self._wake.clear()
                        await self._wake.wait()
        finally:
            self._fail_all()

    def _left(self, request: Request) -> None:
        self._waiting -= 1
        self._waiting_bytes -= request.size

    def _take(self, loads: asyncio.TaskGroup) -> list[Request]:
        """The next requests that can be planned; those whose session is not at hand are parked."""
        ready: list[Request] = []
        while self._queue and len(ready) < MAX_BATCH:
            request = self._queue.popleft()
            if request.answer.done():
                continue
            parked = self._parked.get(request.session)
            if parked is not None:
                parked.append(request)
            elif isinstance(request, Execute) and not self._at_hand(request.session):
                self._parked[request.session] = [request]
                loads.create_task(self._load(request.session))
            else:
                ready.append(request)
        return ready

    def _at_hand(self, session: SessionId) -> bool:
        state = self._sessions.get(session)
        head = self._places.head(session, ANYTHING)
        return state is not None and (head is None or head == state.version)

    async def _load(self, session: SessionId) -> None:
        try:
            await self._sessions.load(session)
        except HansardError as error:
            for request in self._parked.pop(session):
                request.refuse(error)
        else:
            self._queue.extendleft(reversed(self._parked.pop(session)))
        self._wake.set()

    async def _commit(self, requests: list[Request]) -> None:
        while requests:
            try:
                await self._find_places(requests)
                plan = self._plan(requests)
                if plan.batch.records or plan.batch.tracking:
                    await self._engine.write(plan.batch)
            except (KeyTaken, TrackingTaken):
                requests = await self._without_repeats(requests)
            except LogMoved:
                await self._catch_up()
                self._queue.extendleft(reversed(requests))
                return
            except LogError as failure:
                for request in requests:
                    request.refuse(failure)
                return
            else:
                self._queue.extendleft(reversed(plan.later))
                await self._answer(plan)
                return

    async def _find_places(self, requests: list[Request]) -> None:
        heads: set[tuple[SessionId, str]] = set()
        producers: set[tuple[SessionId, str]] = set()
        for request in requests:
            if isinstance(request, Execute) and not request.expect and request.producer is None:
                continue
            needed_heads, needed_producers = needs(request)
            heads |= {head for head in needed_heads if self._places.head(*head) is None}
            producers |= {each for each in needed_producers if self._places.producer(*each) is None}
        if heads or producers:
            await self._places.load(heads, producers)

    def _plan(self, requests: list[Request]) -> Plan:
        plan = Plan(self._position, self._sessions, self._places)
        for request in requests:
            plan.add(request)
        return plan

    async def _answer(self, plan: Plan) -> None:
        plan.settle()
        self._position = Position(self._position + len(plan.batch.records))
        if plan.batch.records:
            self._publish(plan.batch.records)
        for request, result in plan.accepted:
            request.accept(result)
        for request, repeat in plan.repeats:
            try:
                request.accept(await repeats.find_delta(self._engine, request.session, repeat))
            except LogError as failure:
                request.refuse(failure)
        await self._answer_refused(plan.refused)

    async def _answer_refused(self, refused: list[tuple[Request, HansardError]]) -> None:
        """Refuse, unless the log shows that the request had been accepted before: then that is the answer."""
        if not refused:
            return
        known = await self._first_results([request for request, _ in refused])
        for request, refusal in refused:
            first = known.get(id(request))
            if first is None:
                request.refuse(refusal)
            else:
                request.accept(first)

    async def _without_repeats(self, requests: list[Request]) -> list[Request]:
        """After the storage found a key taken: answer the repeats with their first results; the rest is planned anew."""
        known = await self._first_results(requests)
        rest: list[Request] = []
        for request in requests:
            first = known.get(id(request))
            refusal = None if first else await repeats.find_conflict(self._engine, request)
            if first is not None:
                request.accept(first)
            elif refusal is not None:
                request.refuse(refusal)
            else:
                rest.append(request)
        if len(rest) == len(requests):
            raise LogFailed("The log holds what this process does not know of: another process wrote to it. Restart.")
        return rest

    async def _catch_up(self) -> None:
        """Take over what another process wrote."""
        while records := await self._engine.read_log(self._position, PAGE):
            self._sessions.follow(records)
            self._places.follow(records)
            self._position = records[-1].position
            self._publish(records)

    async def _first_results(self, requests: list[Request]) -> dict[int, Appended]:
        try:
            return await repeats.find_first_results(self._engine, requests)
        except LogError:
            return {}

    def _fail_all(self) -> None:
        self._closed = self._closed or LogFailed("The log's writer has stopped; nothing was written. Restart it.")
        for request in (*self._queue, *(each for parked in self._parked.values() for each in parked)):
            request.refuse(self._closed)
        self._queue.clear()
        self._parked.clear()
