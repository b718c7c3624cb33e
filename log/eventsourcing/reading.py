"""Reading a log as the library's recorders do: sessions in both directions, notifications by topic."""

from collections.abc import Collection, Sequence

from ...domain.ids import Position, SessionId
from ..engine import is_last, read_whole
from ..log import Log
from ..records import ANYTHING, Record
from .stored_events import topic_of

PAGE = 1_000
WINDOW = 16


async def read_forward(
    log: Log, session: SessionId, gt: int | None, lte: int | None, limit: int | None
) -> list[Record]:
    """A session's events with gt < version <= lte, in order."""
    found: list[Record] = []
    after = -1 if gt is None else gt
    while (size := _room(found, limit)) > 0 and (lte is None or after < lte):
        page = await log.engine.read_session(session, after, size)
        found += [record for record in page if lte is None or record.version <= lte]
        if is_last(page, size):
            break
        after = page[-1].version
    return found


async def read_backward(
    log: Log, session: SessionId, gt: int | None, lte: int | None, limit: int | None
) -> list[Record]:
    """The same in descending order. Engines read forward only, so it goes back in windows, which grow."""
    found: list[Record] = []
    floor = -1 if gt is None else gt
    head = (await log.engine.read_heads([(session, ANYTHING)])).get((session, ANYTHING), -1)
    upto = head if lte is None else min(lte, head)
    window = WINDOW
    while (room := _room(found, limit)) > 0 and upto > floor:
        after = max(upto - max(window, room), floor)
        page = await read_whole(log.engine, session, after, upto - after)
        found += [record for record in reversed(page) if record.version <= upto][:room]
        upto, window = after, min(window * 2, PAGE)
    return found


async def read_notifications(
    log: Log, after: int, limit: int, stop: int | None, topics: Collection[str]
) -> list[Record]:
    """The log's events with after < position <= stop and one of these topics (of any, if there are none). Engines
    have no index of types: looking for rare ones reads page after page."""
    found: list[Record] = []
    while len(found) < limit and (stop is None or after < stop):
        size = PAGE if topics else min(limit - len(found), PAGE)
        page = await log.engine.read_log(after, size)
        found += select(page, topics, stop)
        if is_last(page, size):
            break
        after = page[-1].position
    return found[:limit]


async def read_next(log: Log, after: Position, topics: Collection[str]) -> tuple[list[Record], Position]:
    """The next events of these topics, as soon as there are any, and up to where they were looked for."""
    async for page in log.follow(after):
        after = page[-1].position
        if found := select(page, topics):
            return found, after
    raise AssertionError("a log is followed for ever")


def select(page: Sequence[Record], topics: Collection[str], stop: int | None = None) -> list[Record]:
    """Those of a page that were asked for."""
    return [
        record
        for record in page
        if (not topics or topic_of(record) in topics) and (stop is None or record.position <= stop)
    ]


def _room(found: Sequence[Record], limit: int | None) -> int:
    return PAGE if limit is None else min(limit - len(found), PAGE)
