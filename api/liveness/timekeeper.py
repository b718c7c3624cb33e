"""The timekeeper: carries out what happens of itself in the sessions of one log, when its time has come.

What is due follows from the folded state (`domain.session.deadlines`), so nothing of it has to be kept: a gateway that
starts reads which sessions live, folds them, and goes on where the last one stopped. Commands are carried out under ids
that are the same wherever they are made, so that each takes effect once, whichever gateway is first; and the rules look
again whether it is time. Who is silent is judged by what was heard here, and by what other gateways say (`roll`).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial

from ...domain.concepts.stalls import RecoverParticipant
from ...domain.errors import LogUnreadable, Refused, StenogramError
from ...domain.ids import ParticipantId, SessionId, TaskId
from ...domain.model import TIMEKEEPER, Command, CommandData, Deadline, timer_id
from ...domain.session import LIVELY_TYPES, deadlines
from ...domain.state import State
from ...log.log import Log
from ...log.records import Appended, Record
from .deadline_queue import DeadlineQueue
from .gateway_heartbeats import HEARTBEAT_INTERVAL_S, GatewayHeartbeats
from .last_seen import NEVER, LastSeen

_logger = logging.getLogger(__name__)

TICK_S = 0.5
"""Seconds after which it looks again at the latest."""
STALLED_LOOP_S = 1.0
"""Seconds beyond a tick: when it comes round later than that, the process stood still, and heard nobody meanwhile."""
SESSIONS_PER_TICK = 256
"""Sessions that are looked at before others get their turn."""
RETRY_AFTER_S = 1.0
"""Seconds after which something is tried again that could not be done, or is left to another gateway."""
RETURN_GRACE_S = 15.0
"""Seconds that those who make progress have to say so again after the gateway began to listen."""
OTHER_GATEWAY_GRACE_S = 2.5 * HEARTBEAT_INTERVAL_S
"""Seconds after which another gateway that has not renewed its row is not relied on any more."""
PAGE_SESSIONS = 1_000
REST_PER_WORK = 50
"""How many times as long as it took to read what is due in a session that session is left alone, however often it
changes meanwhile: with a thousand participants it takes milliseconds of the loop, and each status is a change."""
LONGEST_REST_S = TICK_S


def _utc() -> datetime:
    return datetime.now(UTC)


class Timekeeper:
    """Watches over the live sessions of a log. `run` does everything; what it is told in between is taken note of.
    `wall` tells the time of day."""

    def __init__(self, log: Log, last_seen: LastSeen, wall: Callable[[], datetime] = _utc) -> None:
        self._log = log
        self._wall = wall
        self._last_seen = last_seen
        self._deadline_queue = DeadlineQueue()
        self._heartbeats = GatewayHeartbeats(log.engine, last_seen.now) if log.engine.shared else None
        self._called = float("-inf")
        self._changed: dict[SessionId, None] = {}
        self._rested_at: dict[SessionId, float] = {}
        self._wake = asyncio.Event()
        self._end = log.hub.listen(self._published)

    async def run(self) -> None:
        """Keep the time until cancelled, or until the log has ended. A failing log is waited for."""
        try:
            await self.begin()
            while self._log.working:
                await self.look()
                await self._rest()
        finally:
            self._end()
            if self._heartbeats is not None:
                with contextlib.suppress(StenogramError):
                    await self._heartbeats.leave()

    async def begin(self) -> None:
        """Read which sessions live, and look at each of them."""
        after = ""
        while live := await self._log.engine.read_live(after, PAGE_SESSIONS):
            after = live[-1]
            for session in live:
                if not await self._read(session):
                    await self._log.review(session)

    async def look(self) -> None:
        """One round. What fails is tried again in the next."""
        try:
            for session in self._rested()[:SESSIONS_PER_TICK]:
                del self._changed[session]
                await self._read(session)
            await self._call_roll()
            for session in self._deadline_queue.due(self._last_seen.now(), SESSIONS_PER_TICK):
                await self._attend_to(session)
        except StenogramError as error:
            _logger.info("keeping the time has to wait: %s", error)
            await asyncio.sleep(TICK_S)

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks."""
        for session, tasks in progress.items():
            state = self._log.at_hand(session)
            known = None if state is None else state.presence.get(participant)
            for task in tasks:
                self._last_seen.note_progress(participant, session, task)
                if known is not None and known.stalled == task:
                    recover = RecoverParticipant(participant=participant, stalled=known.since)
                    self._carry_out(session, timer_id("recover", participant, known.since), recover)

    async def _rest(self) -> None:
        """Wait until something is due, or has changed. Who comes round much later than that has heard nobody."""
        now, due = self._last_seen.now(), self._deadline_queue.next()
        again = [self._rested_at.get(session, now) for session in self._changed]
        pause = min([TICK_S, *[max(at - now, 0.0) for at in (*again, *([] if due is None else [due]))]])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        self._wake.clear()
        if self._last_seen.now() - now > pause + STALLED_LOOP_S:
            self._last_seen.disconnected_until_now()

    async def _call_roll(self) -> None:
        if self._heartbeats is None or self._last_seen.now() - self._called < HEARTBEAT_INTERVAL_S:
            return
        self._called = self._last_seen.now()
        last_seen, now = self._last_seen, self._called
        waited_for = [each for each in self._deadline_queue.waited_for() if last_seen.attached(each)]
        await self._heartbeats.call({each: now - last_seen.heard(each) for each in waited_for})

    async def _read(self, session: SessionId) -> bool:
        """Take over a session's deadlines from its state; returns whether there are any."""
        try:
            state = self._log.at_hand(session) or await self._log.state(session)
        except LogUnreadable as fault:
            _logger.error("nothing can fall due in session %s: %s", session, fault)
            return True
        return self._take_over(state)

    def _rested(self) -> list[SessionId]:
        """The changed sessions that need not be left alone any longer."""
        now = self._last_seen.now()
        return [session for session in self._changed if self._rested_at.get(session, now) <= now]

    def _take_over(self, state: State) -> bool:
        began = self._last_seen.now()
        found = deadlines(state)
        self._deadline_queue.put(state.id, found)
        if found:
            self._deadline_queue.schedule(state.id, min([self._when(state.id, each) for each in found]))
            now = self._last_seen.now()
            self._rested_at[state.id] = now + min(REST_PER_WORK * (now - began), LONGEST_REST_S)
        else:
            self._rested_at.pop(state.id, None)
        return bool(found)

    async def _attend_to(self, session: SessionId) -> None:
        """Carry out what is due in a session. Deltas move deadlines, too: so its state is looked at before that."""
        now = self._last_seen.now()
        if min([self._when(session, each) for each in self._deadline_queue.of(session)]) <= now:
            await self._read(session)
        found = self._deadline_queue.of(session)
        times = {each: self._when(session, each) for each in found}
        for deadline, at in times.items():
            if at <= now:
                self._carry_out(session, deadline.id, deadline.data)
        if times:
            self._deadline_queue.schedule(
                session, min([max(at, now + RETRY_AFTER_S) if at <= now else at for at in times.values()])
            )

    def _when(self, session: SessionId, deadline: Deadline) -> float:
        """When a deadline is due, on the clock of attendance."""
        last_seen, silence, after = self._last_seen, deadline.silence, deadline.after
        now = last_seen.now()
        at = now + (deadline.when - self._wall()).total_seconds()
        if silence is None:
            return at
        named = None if self._heartbeats is None else self._heartbeats.named(silence)
        if named is not None and not last_seen.attached(silence):
            at = max(at, named + OTHER_GATEWAY_GRACE_S)
        if deadline.under is None:
            elsewhere = NEVER if self._heartbeats is None else self._heartbeats.heard(silence)
            return max(at, max(last_seen.heard(silence), elsewhere) + after)
        said = last_seen.progress(silence, session, deadline.under) + after
        return max(at, said, last_seen.since + min(after, RETURN_GRACE_S))

    def _carry_out(self, session: SessionId, id: str, data: CommandData) -> None:
        command = Command(id, session, TIMEKEEPER, self._wall(), data)
        try:
            answer = self._log.submit(command)
        except StenogramError as error:
            _logger.info("%s in session %s has to wait: %s", data.do, session, error)
        else:
            answer.add_done_callback(partial(self._carried_out, session, data.do))

    def _carried_out(self, session: SessionId, do: str, answer: "asyncio.Future[Appended]") -> None:
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, Refused):
            self._changed[session] = None  # it is not as it was thought to be
        elif error is not None:
            _logger.info("%s in session %s failed: %s", do, session, error)

    def _published(self, records: list[Record]) -> None:
        lively = [type for type in {record.type for record in records} if type.startswith(LIVELY_TYPES)]
        if lively:
            self._changed.update({record.session: None for record in records if record.type in lively})
            self._wake.set()
