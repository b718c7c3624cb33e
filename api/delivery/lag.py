"""Places that are not in the log as this gateway reads it."""

from ...domain.errors import BadCursor, NotReady
from ...log.log import Log

RETRY_AFTER_S = 1.0


async def not_there(log: Log, beyond: BadCursor) -> BadCursor | NotReady:
    """What to refuse a place with that is beyond the log's end, after everything that can be read was brought in. Where
    a standby is read, the place may be one that another gateway has given: it is there in a moment."""
    if log.engine.writable or not await log.engine.lags():
        return beyond
    return NotReady(
        "This gateway reads a standby, which has not come so far; try again in a moment, or ask another gateway.",
        retry_after=RETRY_AFTER_S,
    )
