"""Reading a log as the library's recorders do: sessions in both directions, notifications by topic."""

from collections.abc import Collection, Sequence

from ...domain.ids import Position, SessionId
from ..log import Log
from ..paging import ENDLESS, PAGE, log_pages, read_range, session_pages
from ..records import ANYTHING, Record
from .stored_events import topic_of

FIRST_WINDOW = 16


async def read_forward(
    log: Log, session: SessionId, gt: int | None, lte: int | None, limit: int | None
) -> list[Record]:
    """A session's events with gt < version <= lte, in order."""
    found: list[Record] = []
    most = ENDLESS if limit is None else limit
    after, upto = -1 if gt is None else gt, ENDLESS if lte is None else lte
    if most > 0:
        async for page in session_pages(log.engine, session, after, upto, size=min(most, PAGE)):
            found += page
            if len(found) >= most:
                break
    return found[:most]


async def read_backward(
    log: Log, session: SessionId, gt: int | None, lte: int | None, limit: int | None
) -> list[Record]:
    """The same in descending order. Engines read forward only, so it goes back in windows, which grow."""
    found: list[Record] = []
    most = ENDLESS if limit is None else limit
    floor = -1 if gt is None else gt
    head = (await log.engine.read_heads([(session, ANYTHING)])).get((session, ANYTHING), -1)
    upto = head if lte is None else min(lte, head)
    window = FIRST_WINDOW
    while len(found) < most and upto > floor:
        after = max(upto - max(window, min(most - len(found), PAGE)), floor)
        found += reversed(await read_range(log.engine, session, after, upto))
        upto, window = after, min(window * 2, PAGE)
    return found[:most]


async def read_notifications(
    log: Log, after: int, limit: int, stop: int | None, topics: Collection[str]
) -> list[Record]:
    """The log's events with after < position <= stop and one of these topics (of any, if there are none). Engines
    have no index of types: looking for rare ones reads page after page."""
    found: list[Record] = []
    if limit > 0:
        size = PAGE if topics else min(limit, PAGE)
        async for page in log_pages(log.engine, after, ENDLESS if stop is None else stop, size=size):
            found += select(page, topics)
            if len(found) >= limit:
                break
    return found[:limit]


async def read_next(log: Log, after: Position, topics: Collection[str]) -> tuple[list[Record], Position]:
    """The next events of these topics, as soon as there are any, and up to where they were looked for."""
    async for page in log.follow(after):
        after = page[-1].position
        if found := select(page, topics):
            return found, after
    raise AssertionError("following a log never ends")


def select(page: Sequence[Record], topics: Collection[str]) -> list[Record]:
    """Those of a page that have one of these topics, or any if there are none."""
    return [record for record in page if not topics or topic_of(record) in topics]
