"""Finding a place in a session by what is true of its events up to there and of none behind."""

from collections.abc import Callable
from datetime import datetime

from ..domain.envelope import microseconds, timestamp
from ..domain.errors import BadCursor, NotFound
from ..domain.ids import SessionId, Version
from ..log.log import Log
from ..log.records import ANYTHING, Record

NOWHERE = -1
"""Before a session's first event: those of others than Stenogram may count from 0."""


async def last_version(log: Log, session: SessionId, holds: Callable[[Record], bool]) -> int:
    """The version of the last event of which it holds; `NOWHERE` when it holds of none."""
    heads = await log.engine.read_heads([(session, ANYTHING)])
    low, high = NOWHERE, int(heads.get((session, ANYTHING), Version(0)))
    while low < high:
        middle = (low + high + 1) // 2
        found = await log.read_session(session, middle - 1, 1)
        if found and holds(found[0]):
            low = found[0].version
        else:
            high = middle - 1
    return low


async def version_at(log: Log, session: SessionId, at: int | datetime | None) -> Version:
    """The version that a session had at a moment: at a version or a time of it, or now.

    Raises NotFound for a session that there is not, BadCursor for a version or a time that is yet to come.
    """
    head = (await log.engine.read_heads([(session, ANYTHING)])).get((session, ANYTHING), Version(0))
    if not head:
        raise NotFound(f"There is no session {session!r}.")
    if isinstance(at, datetime):
        until = microseconds(at)
        await _refuse_future(log, session, at, head)
        return Version(max(0, await last_version(log, session, lambda record: record.time <= until)))
    if at is not None and not 0 <= at <= head:
        raise BadCursor(f"Session {session!r} is at version {head}; there is no version {at} yet.")
    return head if at is None else Version(at)


async def _refuse_future(log: Log, session: SessionId, time: datetime, head: int) -> None:
    """What will have happened by then is not known yet. A session may be ahead of the clock that is here."""
    now = log.clock.now()
    if time > now:
        last = await log.read_session(session, head - 1, 1)
        if not last or last[-1].time < microseconds(time):
            raise BadCursor(f"It is {timestamp(now)}; {timestamp(time)} is yet to come.")
