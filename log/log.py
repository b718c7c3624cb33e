"""The log: one engine, one committer, one hub.

    async with Log(SqliteEngine("stenogram.db")) as log:
        result = await log.submit(command)
        async for record in log.follow(0): ...

A log opened for reading has no committer: a tail brings in what the writing process commits.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Self

from ..domain.errors import Invalid, LogError, LogReadOnly, LogReplaced, LogUnreadable
from ..domain.ids import Position, SessionId, Version
from ..domain.model import Command
from ..domain.state import State
from .clock import LogClock
from .commit.committer import Committer
from .commit.queue import RequestQueue
from .commit.requests import Answer, Answered, Execute, Request, Review, Write
from .commit.session_cache import HeadCache, SessionCache
from .commit.state_snapshots import StateSnapshots
from .engine import Engine
from .hub import Hub
from .lineage import Lineage
from .paging import PAGE
from .records import Append, Appended, Producer, Record
from .stats import LogStats
from .tail import Tail

POLL_S = 1.0
"""After which other processes are looked for without a hint, and after which a storage that failed is asked again."""
CORRECT_CLOCK_EVERY_S = 10.0

_logger = logging.getLogger(__name__)


class Log:
    """An open log. All methods must be called on the loop that opened it. Without `follow`, one that was opened for
    reading brings in nothing by itself: what it reads is as the log is then, but nothing is published, and the cached
    sessions stay as they were folded."""

    def __init__(
        self,
        engine: Engine,
        *,
        cached_sessions: int = 10_000,
        max_waiting: int = 20_000,
        max_waiting_bytes: int = 64 * 2**20,
        ring_records: int = 4_000,
        ring_bytes: int = 32 * 2**20,
        follow: bool = True,
    ) -> None:
        self.engine = engine
        self.epoch = ""
        self.clock = LogClock(engine.time)
        self.hub = Hub(ring_records, ring_bytes)
        self._lineage = Lineage(engine)
        self._snapshots = StateSnapshots(engine)
        self._sessions = SessionCache(self._lineage, cached_sessions, self._snapshots)
        self._heads = HeadCache(engine, cached_sessions)
        self._queue = RequestQueue(max_waiting, max_waiting_bytes)
        self._committer = Committer(engine, self._sessions, self._heads, self.hub.publish, self._queue)
        self._submit = self._committer.submit if engine.writable else _refuse
        self._tail = Tail(engine, self._publish)
        self._follows = follow
        self._work: asyncio.Task[None] | None = None
        self._correcting: asyncio.Task[None] | None = None
        self._current_at = time.monotonic()
        self.trouble: str | None = None
        """Why other processes cannot be followed at the moment, if they cannot."""

    @property
    def position(self) -> Position:
        """The last position that is readable here."""
        return self.hub.position

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return self._queue.waiting

    @property
    def stats(self) -> LogStats:
        """What the log has counted of its work."""
        return self._committer.stats

    @property
    def lag(self) -> float:
        """Seconds since it was last certain that nothing of other processes is missing here; up to `POLL_S` when all is
        well, and 0 where no other can write."""
        return time.monotonic() - self._current_at if self.engine.shared or not self.engine.writable else 0.0

    @property
    def sessions_at_hand(self) -> int:
        """Sessions that are kept folded."""
        return len(self._sessions)

    async def broken(self) -> None:
        """Wait until the log's work ends by itself, which only a fault makes it do; raises that fault."""
        if self._work is not None:
            await asyncio.shield(self._work)  # cancelling the one who waits must not end the log

    @property
    def working(self) -> bool:
        """Whether the log still writes, or follows its writer."""
        return self._work is not None and not self._work.done()

    async def __aenter__(self) -> Self:
        head = await self.engine.open()
        try:
            await self.clock.start(await self._last_time(head.position))
        except BaseException:
            await self.engine.close()
            raise
        self.epoch = head.epoch
        self.hub.start_at(head.position)
        self._committer.start_at(head.position)
        self._tail.start_at(head)
        self._current_at = time.monotonic()
        self._work = asyncio.create_task(
            self._write() if self.engine.writable else self._repeat(self._follow if self._follows else _pause)
        )
        self._work.add_done_callback(lambda _: self.hub.end())  # or those who follow would wait without end
        self._correcting = asyncio.create_task(self._correct_clock())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Answers what waits, then closes the engine. Raises the fault that the log's work ended with, if it did."""
        assert self._work is not None
        assert self._correcting is not None
        self._correcting.cancel()
        self._committer.close()
        if not self.engine.writable:
            self._work.cancel()
        try:
            await asyncio.wait([self._work])
        except asyncio.CancelledError:
            # The committer fails what waits when it is cancelled; left alone it would leave that unanswered.
            self._work.cancel()
            await asyncio.wait([self._work])
            raise
        finally:
            await self._snapshots.close()
            await self.engine.close()  # after the work: a commit under way needs the engine
        if not self._work.cancelled():
            self._work.result()

    def submit(
        self,
        command: Command,
        *,
        expect: Mapping[str, Version] | None = None,
        producer: Producer | None = None,
        size: int = 0,
        sender: Hashable = None,
    ) -> "asyncio.Future[Appended]":
        """Decide a command and append what follows from it.

        The future is done after the commit. Cancelling it withdraws the command only while it still waits. It fails
        with the `Refused` tree (nothing was written) or `LogFailed`. A repeated command gets its first result.

        Commands of one `sender` are decided in the order in which they come, those of several take turns, and of none
        (but None) more than 16 are in a batch while others send as well: so nobody waits for all that somebody else
        has sent. A sender whose command took long to decide rests.
        """
        answer = Answer()
        return answer.of(self.execute(command, answer.answered, size, expect, producer, sender))

    def execute(
        self,
        command: Command,
        answered: Answered,
        size: int,
        expect: Mapping[str, Version] | None = None,
        producer: Producer | None = None,
        sender: Hashable = None,
    ) -> Request:
        """The same as `submit` for those with too many commands to wait for each: `answered` is called with the request
        and what would be the future's result or exception."""
        request = Execute(answered, size, command, expect, producer)
        request.sender = sender
        self._submit(request)
        return request

    def append(self, append: Append) -> "asyncio.Future[Appended]":
        """Append drafts as they are, without deciding anything. Same guarantees as `submit`."""
        return self.append_together((append,))

    def append_together(self, appends: Sequence[Append]) -> "asyncio.Future[Appended]":
        """Append to several sessions by one commit, or to none; the answer has all places in the order of the drafts.

        For engines that keep all sessions in one place only. Several appends have no producers.
        """
        if len(appends) > 1 and any(append.producer is not None for append in appends):
            raise Invalid("Only an append that is written alone can belong to a producer.")
        size = sum([len(draft.data) for append in appends for draft in append.drafts])
        answer = Answer()
        return self._submitted(Write(answer.answered, size, tuple(appends)), answer)

    def review(self, session: SessionId) -> "asyncio.Future[Appended]":
        """Set right what the log says of a session's life (`engine.read_live`). Commands keep it right; what was
        appended as it is may be said to live without need."""
        answer = Answer()
        return self._submitted(Review(answer.answered, 0, session), answer)

    async def state(self, session: SessionId) -> State:
        """The session folded up to its last committed event."""
        return self._sessions.get(session) or await self._sessions.load(session)

    async def state_at(self, session: SessionId, version: Version) -> State:
        """The session folded up to a version, or to its end if that comes first."""
        return await self._sessions.past.at(session, version)

    async def outline_at(self, session: SessionId, version: Version) -> State:
        """The same without messages and calls of tools that are over by then, for those who show what is open: in a
        long session it is much less work. (`time`, and when a task was last worked at, may be earlier.)"""
        return await self._sessions.outlines.at(session, version)

    def cached_state(self, session: SessionId) -> State | None:
        """The session folded up to its last committed event, if it is cached."""
        return self._sessions.get(session)

    async def catch_up(self) -> bool:
        """Bring in what other processes have committed so far; False where no other can have. Raises LogFailed."""
        if not self.engine.writable:
            await self._tail.catch_up()
        elif self.engine.shared and not self._committer.closed:
            await self._committer.catch_up()
        else:
            return False
        return True

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        """A page of a session's events, as the engine would give it; what a fork shares with its origin included."""
        return await self._lineage.read_session(session, after, limit)

    async def written_in(self, session: SessionId) -> tuple[SessionId, ...]:
        """The sessions in which a session's events were written: its own, and for a fork those of what it shares. None
        for a session that does not exist; for one that does, they never change."""
        return await self._lineage.written_in(session)

    async def read_shared(self, first: Record, after: int, limit: int) -> list[Record]:
        """A page of what a fork shares with its origin, as the fork's own; `first` is the event with which it begins.
        Nothing for any other event."""
        return await self._lineage.read_shared(first, after, limit)

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        """The versions and wire forms of what `read_session` finds, for readers who need no more: it is quicker."""
        return await self._lineage.read_wires(session, after, limit)

    async def follow(self, after: Position) -> AsyncIterator[list[Record]]:
        """The log from `after` on, in pages, without end: each event once, in position order. Raises LogFailed when the
        log is closed or its work ends."""
        while True:
            records = self.hub.since(after)
            if records is None:
                records = await self.engine.read_log(after, PAGE)
            if records:
                yield records
                after = records[-1].position
            else:
                await self.hub.wait(after)

    def _submitted(self, request: Request, answer: Answer) -> Answer:
        self._submit(request)
        return answer.of(request)

    async def _write(self) -> None:
        """Run the committer, and beside it, where others write as well, what wakes it for them."""
        if not self.engine.shared:
            return await self._committer.run()
        tasks = [asyncio.create_task(self._committer.run()), asyncio.create_task(self._repeat(self._watch))]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)  # also when this is cancelled: the committer still answers what waits
        for task in ended:
            task.result()
        return None

    async def _last_time(self, position: Position) -> float:
        """When the last event was written, in seconds since 1970; 0 where there is none."""
        last = await self.engine.read_log(position - 1, 1) if position else []
        return last[0].time / 1e6 if last else 0.0

    async def _correct_clock(self) -> None:
        while True:
            await asyncio.sleep(CORRECT_CLOCK_EVERY_S)
            with contextlib.suppress(LogError):  # who reads and writes the log says what is wrong with it
                await self.clock.correct()

    async def _watch(self) -> None:
        if await self.engine.changed(self.position, POLL_S):
            await self._committer.catch_up()

    async def _follow(self) -> None:
        await self._tail.wait(POLL_S)
        await self._tail.catch_up()

    def _publish(self, records: list[Record]) -> None:
        self._sessions.follow(records)  # first: a listener may ask for the session's state
        self.hub.publish(records)

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do it again and again. A storage that fails for a while makes the events come later, no more. Raises
        LogReplaced, and LogUnreadable where the log is gone: what is put in its place must be opened anew."""
        while True:
            try:
                await work()
            except (LogReplaced, LogUnreadable):
                raise
            except LogError as failure:
                self.trouble = str(failure)
                _logger.warning("other processes cannot be followed: %s", failure)
                await asyncio.sleep(POLL_S)
            else:
                self.trouble = None
                self._current_at = time.monotonic()


async def _pause() -> None:
    await asyncio.sleep(POLL_S)


def _refuse(_: Request) -> None:
    raise LogReadOnly("This log was opened for reading; send commands to the process that writes it.")
