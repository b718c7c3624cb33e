"""Finding a place in a session by what is true of its events up to there and of none behind."""

from collections.abc import Callable

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
