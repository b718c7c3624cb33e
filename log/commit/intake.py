"""The intake: takes from the queue what can be planned, each request with the session that it is decided on.

A request whose session is not cached waits beside the queue while it is read, with all later requests of that session
behind it: requests of one sender are decided in the order of submission, except that none waits for another session.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from ...domain.concepts.lifecycle import ForkSession
from ...domain.errors import LogError, LogFailed, Overloaded, StenogramError
from ...domain.ids import SessionId, Version
from ...domain.state import State
from ..turns import Turns
from .outcome import Cascade
from .planner import Plan
from .queue import RequestQueue
from .requests import Execute, Request, Write
from .rest import rest_after
from .session_cache import HeadCache, SessionCache

_logger = logging.getLogger(__name__)

MAX_WEIGHT = 4_096
"""Weight of the requests planned at once: bounds how long planning holds the loop (about 10 ms); the last request may
go beyond."""
ALONE_WEIGHT, SHARED_WEIGHT = 2_048, 128
"""… and of those of one sender (256 commands), and where others send as well (16): what these send meanwhile is in the
next batch, and waits for those that are being written. With four times as many the others wait three times as long, and
the one gets twice as much done."""
SHARED_S = 10.0
"""Seconds for which it counts that others send as well."""
MAX_BYTES = 16 * 2**20
"""Bytes written at once, likewise."""

LATER_S = 0.01
MOST_REST_S = 10.0
"""Seconds that a sender rests at most, behind the rests of others whose commands held the loop."""
LONG_AT_ONCE = 2
"""Commands that are worked out beside the line at the same time."""
FORKS_AT_ONCE = 2
"""Participants whose forks' origins are read and folded at the same time."""
MOST_FORKS_WAITING = 1_000
MOST_LONG_EACH = 100
"""Of one participant, and of all as many as forks."""

Dequeued = tuple[Request, State | None]
"""A request and, unless it is a `Write`, its session before the plan that it is for."""


@dataclass(slots=True)
class Room:
    """What still fits into a batch. `full` are the senders of whom nothing more does: each has so much weight."""

    of_sender: int
    weight: int = MAX_WEIGHT
    bytes: int = MAX_BYTES
    full: set[Hashable] = field(default_factory=set)
    _of_senders: dict[Hashable, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.weight > 0 and self.bytes > 0

    def use(self, request: Request) -> None:
        """Use some of it for a request."""
        weight, sender = request.weight, request.sender
        self.weight -= weight
        self.bytes -= request.size
        if sender is not None:
            used = self._of_senders[sender] = self._of_senders.get(sender, 0) + weight
            if used >= self.of_sender:
                self.full.add(sender)


class Intake:
    """Takes requests from `queue`; calls `ready` when some that were parked are in it again."""

    def __init__(
        self, queue: RequestQueue, sessions: SessionCache, heads: HeadCache, ready: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._sessions = sessions
        self._heads = heads
        self._ready = ready
        self._forks = Turns("forks", FORKS_AT_ONCE, waiting=MOST_FORKS_WAITING, waiting_each=MOST_FORKS_WAITING // 4)
        self.tasks: set[asyncio.Task[None]] = set()
        """What is being read."""
        self._long = Turns("long changes", LONG_AT_ONCE, waiting=MOST_FORKS_WAITING, waiting_each=MOST_LONG_EACH)
        self._sender: Hashable = None
        self._shared_until = 0.0
        self._resting: dict[Hashable, float] = {}  # senders whose commands held the loop, and until when they rest
        self._rest_until = 0.0  # when the last of them has rested
        self._hurries = False

    def new_room(self) -> Room:
        """What fits into a batch now."""
        now = time.monotonic()
        room = Room(SHARED_WEIGHT if now < self._shared_until else ALONE_WEIGHT)
        if self._resting:
            self._resting = {sender: until for sender, until in self._resting.items() if until > now}
            if not self._hurries:
                room.full.update(self._resting)
        return room

    def rest_after(self, sender: Hashable, held: float) -> None:
        """A sender's command held the loop for so many seconds: if that is long, it has none decided for a while. Such
        senders rest one after the other, so that together they take no more of the loop than one of them."""
        seconds = rest_after(held)
        if seconds and sender is not None:
            now = time.monotonic()
            # Each only until where it came into that line: what comes behind it must not keep it there.
            self._rest_until = min(max(self._rest_until, now) + seconds, now + MOST_REST_S)
            self._resting[sender] = self._rest_until
            # Or nothing would go on then. A little later: the loop's clock is coarser, and one that is called too early
            # would find that the rest is not over.
            asyncio.get_running_loop().call_later(self._rest_until - now + LATER_S, self._ready)

    def hurry(self) -> None:
        """Rest no more: the log is being closed."""
        self._hurries = True

    def dequeue(self, room: Room) -> Iterator[Dequeued]:
        """The next requests. One in doubt goes alone, or it would be refused together with the others again."""
        alone = True
        while room and (request := self._queue.pop(room.full)):
            if request.doubts and not alone:
                return self._queue.put_back([request])
            dequeued = self._with_state(request, ())
            if dequeued is not None:
                room.use(request)
                alone = False
                yield dequeued
            if request.doubts:
                return None

    def dequeue_ahead(self, room: Room, below: Sequence[Plan]) -> Iterator[Dequeued]:
        """The next requests that can be decided on top of plans which are not written yet, one on top of the other, up
        to the first that cannot."""
        while room and (request := self._queue.pop(room.full)):
            # At the first that must wait it ends: passing over that one would change the order within its session.
            if not _is_plain(request):
                return self._queue.put_back([request])
            for plan in below:
                if plan.must_precede(request):
                    return self._queue.put_back([request])
            dequeued = self._with_state(request, below)
            if dequeued is not None:
                room.use(request)
                yield dequeued

    def _with_state(self, request: Request, below: Sequence[Plan]) -> Dequeued | None:
        """The request with its state; None when it is parked until that has been read."""
        if isinstance(request, Write):
            return request, None
        if request.sender != self._sender and request.sender is not None:
            if self._sender is not None:
                self._shared_until = time.monotonic() + SHARED_S
            self._sender = request.sender
        session = request.sessions[0]
        state = self._cached_state(session, below)
        if state is None:
            self._park(session, request, self._load(session))
            return None
        if isinstance(request, Execute) and request.cascade is not None and not request.cascade.worked_out:
            self._park(session, request, self._work_out(request, request.cascade))
            return None
        if state.version == 0 and isinstance(request, Execute) and isinstance(request.command.data, ForkSession):
            if request.origin is None:
                self._park(session, request, self._find_origin(request, request.command.data))
                return None
            state = request.origin
        return request, state

    def _cached_state(self, session: SessionId, below: Sequence[Plan]) -> State | None:
        """A session as the highest of these plans leaves it, or else as it is in the log; None if it must be read."""
        for plan in reversed(below):
            planned = plan.states.get(session)
            if planned is not None:
                return planned
        state = self._sessions.get(session)
        version = self._heads.version(session)
        # A head beyond the state: drafts were appended since it was folded. Decided on it, a command would be given a
        # version that is taken.
        return None if state is not None and version is not None and version > state.version else state

    def _park(self, session: SessionId, request: Request, reading: Coroutine[None, None, None]) -> None:
        self._queue.park(session, request)  # before anything is awaited: from here on later ones line up behind it
        task = asyncio.create_task(reading)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _load(self, session: SessionId) -> None:
        self._heads.forget(session)  # or a head that is ahead of the log would have it read again and again
        try:
            await self._sessions.load(session)
        except Exception as error:
            waited = self._queue.unpark(session)
            refusal = error if isinstance(error, StenogramError) else fault("Reading the session", error)
            for request in waited:
                if not isinstance(request, Write):
                    request.answer(refusal)
            # Appends need no state; that a session cannot be folded must not keep other writers from it.
            self._queue.put_back([request for request in waited if isinstance(request, Write)])
        else:
            self._queue.put_back(self._queue.unpark(session))
        self._ready()

    async def _find_origin(self, request: Execute, data: ForkSession) -> None:
        session, actor = request.command.session, request.command.actor
        at = None if data.at is None else Version(data.at)
        try:
            async with self._forks.of(actor.id):
                request.origin = await self._sessions.origin(session, data.origin, at)
        except Exception as error:
            request.answer(error if isinstance(error, StenogramError) else fault("Reading the session", error))
        self._queue.put_back(self._queue.unpark(session))
        self._ready()

    async def _work_out(self, request: Execute, cascade: Cascade) -> None:
        session = request.sessions[0]
        try:
            async with self._long.of(request.command.actor.id):
                await cascade.work_out(request.keys[0][1] if request.keys else None, self._rest_of)
        except Overloaded as refusal:
            request.answer(refusal)
        except Exception as error:
            request.answer(fault("Working out what follows from a command", error))
        self._queue.put_back(self._queue.unpark(session))
        self._ready()

    def _rest_of(self, held: float) -> float:
        return 0.0 if self._hurries else rest_after(held)


def _is_plain(request: Request) -> bool:
    """Whether a request needs nothing but its session to be decided."""
    return isinstance(request, Execute) and not (request.expect or request.producer or request.doubts)


def fault(what: str, error: Exception) -> LogError:
    """The answer to an unexpected failure; all of it is in this process's own log."""
    _logger.error("%s failed", what, exc_info=error)
    return LogFailed(f"{what} failed inside the server: {error!r}.")
