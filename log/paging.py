"""Reading on after a place, page by page, until nothing more is there: the one loop of that kind.

Engines bound a page by events and by bytes, so who needs more than one page reads in a loop, and what ends it is
easily got wrong (a full page may be the last, a short one may not be).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Protocol

from ..domain.ids import SessionId, Version
from .engine import PAGE_BYTES, Engine
from .records import Record

PAGE = 1_000
"""Events of one page, at most."""
ENDLESS = 2**63
"""A place that no log comes to."""

_version, _position = attrgetter("version"), attrgetter("position")


class SessionReader(Protocol):
    """Reads pages of sessions: an engine as they are stored, a `Lineage` or a `Log` with what forks share."""

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        """A page of the session's events with version > after, in order."""


def is_last(page: Sequence[Record], limit: int) -> bool:
    """Whether a page shows by itself that nothing follows."""
    return len(page) < limit and sum([len(record.data) for record in page]) < PAGE_BYTES


async def session_pages(
    source: SessionReader, session: SessionId, after: int, upto: int = ENDLESS, *, size: int = PAGE
) -> AsyncIterator[list[Record]]:
    """A session's events with after < version <= upto, in order, in pages of at most `size`, none of them
    empty."""

    async def read(after: int, limit: int) -> list[Record]:
        return await source.read_session(session, after, limit)

    async for page in _pages(read, _version, after, upto, size):
        yield page


async def log_pages(
    engine: Engine, after: int, upto: int = ENDLESS, *, size: int = PAGE
) -> AsyncIterator[list[Record]]:
    """The log's events with after < position <= upto, in order, in pages of at most `size`, none of them empty."""
    async for page in _pages(engine.read_log, _position, after, upto, size):
        yield page


async def read_range(source: SessionReader, session: SessionId, after: int, upto: int) -> list[Record]:
    """All events of a session with after < version <= upto, in order."""
    return [record async for page in session_pages(source, session, after, upto) for record in page]


async def listed_sessions(
    engine: Engine, prefix: str = "", *, size: int = PAGE
) -> AsyncIterator[list[tuple[SessionId, Version]]]:
    """The log's sessions with their versions, by id, in lists of at most `size`, none of them empty."""
    after = ""
    while found := await engine.list_sessions(after, size, prefix):
        yield found
        after = found[-1][0]


async def live_sessions(engine: Engine) -> AsyncIterator[list[SessionId]]:
    """The sessions that were last said to be live, by id, in lists, none of them empty."""
    after = ""
    while found := await engine.read_live(after, PAGE):
        yield found
        after = found[-1]


async def _pages(
    read: Callable[[int, int], Awaitable[list[Record]]],
    place: Callable[[Record], int],
    after: int,
    upto: int,
    size: int,
) -> AsyncIterator[list[Record]]:
    while after < upto:
        limit = min(size, upto - after)
        page = await read(after, limit)
        last = is_last(page, limit)
        if page and place(page[-1]) > upto:  # places may be missing (removed, or never taken): it goes beyond the end
            page, last = [record for record in page if place(record) <= upto], True
        if page:
            yield page
            after = place(page[-1])
        if last:
            return
