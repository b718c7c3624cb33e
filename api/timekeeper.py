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

from ..domain.errors import LogUnreadable, Refused, StenogramError
from ..domain.ids import ParticipantId, SessionId, TaskId
from ..domain.model import TIMEKEEPER, Command, CommandData, Deadline, timer_id
from ..domain.session import LIVELY_TYPES, State, deadlines
from ..domain.stalls import RecoverParticipant
from ..log.log import Log
from ..log.records import Appended, Record
from .agenda import Agenda
from .attendance import NEVER, Attendance
from .roll import EVERY, Rolls

_logger = logging.getLogger(__name__)

TICK = 0.5
"""Seconds after which it looks again at the latest."""
DEAF = 1.0
"""Seconds beyond a tick: when it comes round later than that, the process stood still, and heard nobody meanwhile."""
AT_ONCE = 256
"""Sessions that are looked at before others get their turn."""
AGAIN = 1.0
"""Seconds after which something is tried again that could not be done, or is left to another gateway."""
RETURN = 15.0
"""Seconds that those who make progress have to say so again after the gateway began to listen."""
ELSEWHERE = 2.5 * EVERY
"""Seconds after which another gateway that has not renewed its row is not relied on any more."""
PAGE = 1_000


def _utc() -> datetime:
    return datetime.now(UTC)


class Timekeeper:
    """Watches over the live sessions of a log. `run` does everything; what it is told in between is taken note of.
    `wall` tells the time of day."""

    def __init__(self, log: Log, attendance: Attendance, wall: Callable[[], datetime] = _utc) -> None:
        self._log = log
        self._wall = wall
        self._attendance = attendance
        self._agenda = Agenda()
        self._rolls = Rolls(log.engine, attendance.now) if log.engine.shared else None
        self._called = float("-inf")
        self._changed: dict[SessionId, None] = {}
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
            if self._rolls is not None:
                with contextlib.suppress(StenogramError):
                    await self._rolls.leave()

    async def begin(self) -> None:
        """Read which sessions live, and look at each of them."""
        after = ""
        while live := await self._log.engine.read_live(after, PAGE):
            after = live[-1]
            for session in live:
                if not await self._read(session):
                    await self._log.review(session)

    async def look(self) -> None:
        """One round. What fails is tried again in the next."""
        try:
            for session in [*self._changed][:AT_ONCE]:
                del self._changed[session]
                await self._read(session)
            await self._call_roll()
            for session in self._agenda.due(self._attendance.now(), AT_ONCE):
                await self._attend_to(session)
        except StenogramError as error:
            _logger.info("keeping the time has to wait: %s", error)
            await asyncio.sleep(TICK)

    def progressed(self, participant: ParticipantId, progress: Mapping[SessionId, Collection[TaskId]]) -> None:
        """A heartbeat of theirs says that they make progress with these tasks."""
        for session, tasks in progress.items():
            state = self._log.at_hand(session)
            known = None if state is None else state.presence.get(participant)
            for task in tasks:
                self._attendance.note_progress(participant, session, task)
                if known is not None and known.stalled == task:
                    recover = RecoverParticipant(participant=participant, stalled=known.since)
                    self._carry_out(session, timer_id("recover", participant, known.since), recover)

    async def _rest(self) -> None:
        """Wait until something is due, or has changed. Who comes round much later than that has heard nobody."""
        now, due = self._attendance.now(), self._agenda.next()
        pause = 0.0 if self._changed else TICK if due is None else min(max(due - now, 0.0), TICK)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()
        self._wake.clear()
        if self._attendance.now() - now > pause + DEAF:
            self._attendance.deaf_until_now()

    async def _call_roll(self) -> None:
        if self._rolls is None or self._attendance.now() - self._called < EVERY:
            return
        self._called = self._attendance.now()
        attendance, now = self._attendance, self._called
        waited_for = [each for each in self._agenda.waited_for() if attendance.attached(each)]
        await self._rolls.call({each: now - attendance.heard(each) for each in waited_for})

    async def _read(self, session: SessionId) -> bool:
        """Take over a session's deadlines from its state; returns whether there are any."""
        try:
            state = self._log.at_hand(session) or await self._log.state(session)
        except LogUnreadable as fault:
            _logger.error("nothing can fall due in session %s: %s", session, fault)
            return True
        return self._take_over(state)

    def _take_over(self, state: State) -> bool:
        found = deadlines(state)
        self._agenda.put(state.id, found)
        if found:
            self._agenda.schedule(state.id, min([self._when(state.id, each) for each in found]))
        return bool(found)

    async def _attend_to(self, session: SessionId) -> None:
        """Carry out what is due in a session. Deltas move deadlines, too: so its state is looked at before that."""
        now = self._attendance.now()
        if min([self._when(session, each) for each in self._agenda.of(session)]) <= now:
            await self._read(session)
        found = self._agenda.of(session)
        times = {each: self._when(session, each) for each in found}
        for deadline, at in times.items():
            if at <= now:
                self._carry_out(session, deadline.id, deadline.data)
        if times:
            self._agenda.schedule(session, min([max(at, now + AGAIN) if at <= now else at for at in times.values()]))

    def _when(self, session: SessionId, deadline: Deadline) -> float:
        """When a deadline is due, on the clock of attendance."""
        attendance, silence, after = self._attendance, deadline.silence, deadline.after
        now = attendance.now()
        at = now + (deadline.when - self._wall()).total_seconds()
        if silence is None:
            return at
        named = None if self._rolls is None else self._rolls.named(silence)
        if named is not None and not attendance.attached(silence):
            at = max(at, named + ELSEWHERE)
        if deadline.under is None:
            elsewhere = NEVER if self._rolls is None else self._rolls.heard(silence)
            return max(at, max(attendance.heard(silence), elsewhere) + after)
        said = attendance.progress(silence, session, deadline.under) + after
        return max(at, said, attendance.since + min(after, RETURN))

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
