"""The timekeeper: carries out what happens by itself in the sessions of one log when its time has come.

What is due follows from the folded state (`domain.session.deadlines`), so nothing is stored: a gateway that starts
reads which sessions have deadlines, folds them, and goes on where the last one stopped. Commands get ids that are the
same on every gateway, so that each takes effect once, whichever gateway is first; and the rules check again whether it
is time. Whether a participant is silent is judged by `lost_agents`.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection, Mapping
from functools import partial

from ...domain.concepts.stalls import RecoverParticipant
from ...domain.errors import LogUnreadable, Refused, StenogramError
from ...domain.ids import ParticipantId, SessionId, TaskId
from ...domain.model import TIMEKEEPER, Command, CommandData, Deadline, timer_id
from ...domain.session import LIVELY_TYPES, deadlines
from ...domain.state import State
from ...log.log import Log
from ...log.paging import live_sessions
from ...log.records import Appended, Record
from .deadline_queue import DeadlineQueue
from .last_seen import LastSeen
from .lost_agents import LostAgents

_logger = logging.getLogger(__name__)

TICK_S = 0.5
"""Seconds between two rounds, at most."""
SESSIONS_PER_TICK = 256
"""Sessions of one round; then the loop serves others."""
RETRY_AFTER_S = 1.0
"""Seconds after which something is tried again that failed, or that another gateway may have done."""
REST_PER_WORK = 50
"""How many times as long as it took to read what is due in a session that session is left alone, however often it
changes meanwhile: with a thousand participants it takes milliseconds of the loop, and each status is a change."""
LONGEST_REST_S = TICK_S


class Timekeeper:
    """Keeps the time of a log's sessions, by the log's clock; `run` does all of it."""

    def __init__(self, log: Log, last_seen: LastSeen) -> None:
        self._log = log
        self._last_seen = last_seen
        self._queue = DeadlineQueue()
        self._lost_agents = LostAgents(log.engine, last_seen)
        self._changed: dict[SessionId, None] = {}
        self._rested_at: dict[SessionId, float] = {}
        self._wake = asyncio.Event()
        # Before sessions are read in `load_sessions`: one that changes after it was read is in `_changed`.
        self._stop_listening = log.hub.listen(self._published)

    async def run(self) -> None:
        """Keep the time until cancelled, or until the log has ended. A failing log is waited for."""
        try:
            await self.load_sessions()
            while self._log.working:
                await self.run_once()
                await self._wait_until_due()
        finally:
            self._stop_listening()
            # Otherwise the other gateways would rely on this one until its row is old. The log may be gone already.
            with contextlib.suppress(StenogramError):
                await self._lost_agents.leave(self._waited_for())

    async def load_sessions(self) -> None:
        """Read which sessions have deadlines, and schedule each of them."""
        async for live in live_sessions(self._log.engine):
            for session in live:
                if not await self._read_deadlines(session):
                    await self._log.review(session)

    async def run_once(self) -> None:
        """One round. What fails is tried again in the next."""
        try:
            for session in self._rested()[:SESSIONS_PER_TICK]:
                # Before the await: a change that comes during it puts the session back.
                del self._changed[session]
                await self._read_deadlines(session)
            # Before anything is carried out: whom other gateways hear is known by then, also in the first round.
            if self._lost_agents.exchange_is_due:
                await self._lost_agents.exchange_heartbeats(self._waited_for())
            now = self._last_seen.now()
            # With nothing awaited since: a stall that nobody noticed would count as everybody's silence.
            self._last_seen.stall_watch.tick(now)
            for session in self._queue.pop_due(now, SESSIONS_PER_TICK):
                await self._carry_out_due(session)
        except StenogramError as error:
            _logger.info("keeping the time has to wait: %s", error)
            await asyncio.sleep(TICK_S)

    def next_due(self) -> float | None:
        """In how many seconds something falls due at the earliest, or is to be looked at; None if nothing is."""
        due = self._last_seen.now() if self._changed else self._queue.next_due()
        return None if due is None else max(0.0, due - self._last_seen.now())

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks."""
        for session, tasks in progress.items():
            state = self._log.cached_state(session)
            known = None if state is None else state.presence.get(participant)
            for task in tasks:
                # Before the command: a round could find the task stalled once more until it has taken effect.
                self._last_seen.note_progress(participant, session, task)
                if known is not None and (since := known.stalled.get(task)) is not None:
                    recover = RecoverParticipant(participant=participant, task=task, stalled=since)
                    self._carry_out(session, timer_id("recover", participant, task, since), recover)

    def _waited_for(self) -> dict[str, float]:
        return self._queue.waited_for(self._last_seen.vouched_sessions())

    async def _wait_until_due(self) -> None:
        """Wait until something is due or has changed, a tick at most."""
        now, due = self._last_seen.now(), self._queue.next_due()
        again = [self._rested_at.get(session, now) for session in self._changed]
        pause = min([TICK_S, *[max(at - now, 0.0) for at in (*again, *([] if due is None else [due]))]])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        # After the wait, and before `_changed` is read: what comes later sets it again.
        self._wake.clear()

    async def _read_deadlines(self, session: SessionId) -> bool:
        """Schedule a session by its state; returns whether it has any deadlines."""
        try:
            state = self._log.cached_state(session) or await self._log.state(session)
        except LogUnreadable as fault:
            _logger.error("nothing can fall due in session %s: %s", session, fault)
            return True
        return self._schedule(state)

    def _rested(self) -> list[SessionId]:
        """The changed sessions that need not be left alone any longer."""
        now = self._last_seen.now()
        return [session for session in self._changed if self._rested_at.get(session, now) <= now]

    def _schedule(self, state: State) -> bool:
        began, session = self._last_seen.now(), state.id
        found = deadlines(state)
        self._queue.put(session, found)
        if found:
            self._queue.schedule(session, min([self._due_at(session, each) for each in found]))
            now = self._last_seen.now()
            self._rested_at[session] = now + min(REST_PER_WORK * (now - began), LONGEST_REST_S)
        else:
            self._rested_at.pop(session, None)
        return bool(found)

    async def _carry_out_due(self, session: SessionId) -> None:
        """Carry out what is due in a session."""
        now = self._last_seen.now()
        # Deltas move deadlines without being among the types that set `_changed`: so the state is read once more before
        # somebody is declared stalled who is writing.
        if min([self._due_at(session, each) for each in self._queue.of(session)]) <= now:
            await self._read_deadlines(session)
        found = self._queue.of(session)
        times = {each: self._due_at(session, each) for each in found}
        for deadline, at in times.items():
            if at <= now:
                self._carry_out(session, deadline.id, deadline.data)
        if times:
            # What was carried out is scheduled as well: should its command be lost, nothing else would try again.
            retry_at = now + RETRY_AFTER_S
            self._queue.schedule(session, min([retry_at if at <= now else at for at in times.values()]))

    def _due_at(self, session: SessionId, deadline: Deadline) -> float:
        """When a deadline is due, on the clock of `last_seen`."""
        at = self._last_seen.now() + (deadline.when - self._log.clock.now()).total_seconds()
        return self._lost_agents.due_at(session, deadline, at)

    def _carry_out(self, session: SessionId, id: str, data: CommandData) -> None:
        command = Command(id, session, TIMEKEEPER, self._log.clock.now(), data)
        try:
            result = self._log.submit(command)
        except StenogramError as error:
            _logger.info("%s in session %s has to wait: %s", data.do, session, error)
        else:
            # Not awaited: one session whose commit is slow would keep up the deadlines of all others.
            result.add_done_callback(partial(self._carried_out, session, data.do))

    def _carried_out(self, session: SessionId, do: str, result: "asyncio.Future[Appended]") -> None:
        error = None if result.cancelled() else result.exception()
        if isinstance(error, Refused):
            self._changed[session] = None  # its deadlines are out of date: read them again
        elif error is not None:
            _logger.info("%s in session %s failed: %s", do, session, error)

    def _published(self, records: list[Record]) -> None:
        lively = [type for type in {record.type for record in records} if type.startswith(LIVELY_TYPES)]
        if lively:
            self._changed.update({record.session: None for record in records if record.type in lively})
            self._wake.set()
