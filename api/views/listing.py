"""Pages of documents or rows: those that a principal may see, in an order, from a place on.

What is hidden is passed over, and so a page may take several readings. It gives up on one that reads very much and
finds nothing: such a search must be narrowed.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple, TypeVar

from ...domain.audience import Viewer
from ...domain.envelope import timestamp
from ...domain.errors import BadCursor, Invalid, NotReady
from ...domain.ids import Position, SessionId
from ...log.engine import PAGE_BYTES
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import Row, Shape
from ...projections.past_rows import PastRows
from ...projections.runner.time_slices import slices
from ...projections.store import Build, Found
from ...projections.store.database import size_of
from ...projections.store.reading import MAX_ROWS
from ..access.principal import Principal
from ..delivery.event_filter import matches_any
from .access import SESSION_KEY, by_session
from .page_cursor import read_cursor, write_cursor
from .reader import ViewReader
from .rendering import render_rows

MAX_ROWS_READ = 20_000
_PAGE_ROWS = 200
_ROWS_RENDERED = 8
"""Rows that are rendered between two looks at the clock: each may be a megabyte."""

_SORTED_AT_ONCE = 2_000

T = TypeVar("T")
PageRow = tuple[Any, bytes]
"""The first column of a row (of a document its key), and how the row is rendered."""


class ListQuery(NamedTuple):
    """What is asked for: rows whose columns equal `where`, by `order`, after a place."""

    where: Mapping[str, Any]
    order: str
    after: str | None
    limit: int


class ListPage(NamedTuple):
    """A page: rows, and where the next one begins if there is one."""

    rows: list[PageRow]
    next: str | None
    position: Position


class LargePage(Exception):
    """A page is larger than what may be made of it here."""


class PageBuilder:
    """A page that is being made: it is full of rows or of bytes (`PAGE_BYTES`), but has at least one row."""

    def __init__(self, wanted: ListQuery) -> None:
        self.rows: list[PageRow] = []
        self.full = False
        """Whether a row was found that belongs on the next page."""
        self._wanted = wanted
        self._bytes = 0
        self._last: Sequence[Any] = ()

    def add(self, shape: Shape, row: Row, text: bytes) -> None:
        """Take the next row that is shown, unless the page is full by now."""
        size = self._bytes + len(text)
        self.full = self.full or len(self.rows) >= self._wanted.limit or (size > PAGE_BYTES and bool(self.rows))
        if not self.full:
            self.rows.append((row[0], text))
            self._bytes, self._last = size, sort_key(shape, row, self._wanted.order)

    def page(self, position: Position, *, more: bool = False) -> ListPage:
        """The page; `more`: there are rows that were not read."""
        following = bool(self.rows) and (self.full or more)
        return ListPage(self.rows, write_cursor(self._wanted.order, self._last) if following else None, position)


async def list_page(
    views: ViewReader,
    projection: AnyProjection,
    principal: Principal,
    wanted: ListQuery,
    most: int = PAGE_BYTES,
    past: PastRows | None = None,
) -> ListPage:
    """A page of a view as it is, or with `past` as its rows were, of the sessions that the principal may read. Raises
    Invalid, BadCursor, NotReady, FoldFailed, and LargePage when more than `most` bytes must be read for it."""
    await views.current(projection.name)
    page = PageBuilder(wanted)
    after: Sequence[Any] | None = None if wanted.after is None else read_cursor(wanted.after, wanted.order)
    if past is not None:
        after = past.first_place(after, wanted.order)
    read, size = 0, min(MAX_ROWS, max(_PAGE_ROWS, wanted.limit + 1))  # one more shows whether there is a next page
    while True:
        found = await views.store.find(
            projection.name, wanted.where, order=wanted.order, after=after, limit=size, most=most
        )
        if past is not None and read:
            found = await _gathered(views, projection, wanted, found, past, most)
        if most < PAGE_BYTES and found.more and len(found.rows) < size:
            raise LargePage
        shape, rows, more = found.build.shape, found.rows, found.more
        if past is not None:
            if found.build.id != past.build:
                raise NotReady(f"The view {projection.name} was built again just now; ask again.", retry_after=1.0)
            more = more and not past.is_before(rows[-1])
            rows = await past.as_they_were(rows)
        async for few in slices(rows, _ROWS_RENDERED):
            for row, text in await _visible(views.log, projection, found.build, few, principal):
                page.add(shape, row, text)
            if page.full:
                break
        read += len(found.rows)
        if not more or page.full or read >= MAX_ROWS_READ:
            break
        after = sort_key(shape, found.rows[-1], wanted.order)
    if not page.rows and more:
        raise Invalid("Almost nothing of this view may be shown to you; ask for one session of it.")
    return page.page(found.build.checkpoint.position if past is None else past.position, more=more)


def sort_key(shape: Shape, row: Row, order: str) -> tuple[Any, ...]:
    """The place of a row in an order: the ordering column's value, and the key."""
    fields = dict(zip([column.name for column in shape.columns], row, strict=True))
    found = [fields[name] for name in sort_columns(shape, order)]
    return tuple([timestamp(each) if isinstance(each, datetime) else each for each in found])


def sort_columns(shape: Shape, order: str) -> tuple[str, ...]:
    """The columns by which rows are ordered."""
    return tuple(dict.fromkeys((order.removeprefix("-") or shape.key[0], *shape.key)))


async def in_order(keyed: Sequence[tuple[tuple[Any, ...], T]], wanted: ListQuery) -> Iterator[T]:
    """What comes after the cursor, in the order of its keys (`sort_key`), sorted a part at a time: there may be tens of
    thousands. Raises BadCursor."""
    down = wanted.order.startswith("-")
    after = None if wanted.after is None else tuple(read_cursor(wanted.after, wanted.order))
    parts = []
    for first in range(0, len(keyed), _SORTED_AT_ONCE):
        part = [each for each in keyed[first : first + _SORTED_AT_ONCE] if each[0][0] is not None]
        if after is not None:
            part = [each for each in part if _follows(each[0], after, down)]
        parts.append(sorted(part, key=itemgetter(0), reverse=down))
        await asyncio.sleep(0)
    return (each for _, each in merge(*parts, key=itemgetter(0), reverse=down))


def _follows(key: tuple[Any, ...], after: tuple[Any, ...], down: bool) -> bool:
    try:
        return key < after if down else key > after
    except TypeError:
        raise BadCursor("This `after` is of another list; use the `next` of a page with the same order.") from None


async def _gathered(
    views: ViewReader, projection: AnyProjection, wanted: ListQuery, found: Found, past: PastRows, most: int
) -> Found:
    """What was found, with many rows that follow, so that what was open among them is folded at once. Each time that
    takes a reading of the session from where the first of it began: for a reader who may see few rows, very often."""
    rows, size = [*found.rows], sum(map(size_of, found.rows))
    while found.more and len(rows) < MAX_ROWS_READ // 2 and size < most and not past.is_before(rows[-1]):
        after = sort_key(found.build.shape, rows[-1], wanted.order)
        following = await views.store.find(
            projection.name, wanted.where, order=wanted.order, after=after, limit=MAX_ROWS, most=most
        )
        if following.build.id != found.build.id:
            return following
        found = following
        rows += found.rows
        size += sum(map(size_of, found.rows))
    return found._replace(rows=rows)


async def _visible(
    log: Log, projection: AnyProjection, build: Build, rows: Sequence[Row], principal: Principal
) -> list[tuple[Row, bytes]]:
    sessions = [_session(projection, build.shape, row) for row in rows]
    viewer_of = {session: await _viewer(log, session, principal) for session in dict.fromkeys(sessions)}
    viewers = [viewer_of[session] for session in sessions]
    rendered: dict[int, bytes] = {}
    for viewer in dict.fromkeys(viewers):
        if viewer is not None:
            places = [number for number, each in enumerate(viewers) if each == viewer]
            texts = render_rows(projection, build, [rows[number] for number in places], viewer)
            rendered |= {number: text for number, text in zip(places, texts, strict=True) if text is not None}
    return [(row, rendered[number]) for number, row in enumerate(rows) if number in rendered]


def _session(projection: AnyProjection, shape: Shape, row: Row) -> SessionId | None:
    """The session that a row belongs to; None where the view spans sessions."""
    if not by_session(projection):
        return None
    name = "key" if isinstance(projection, DocProjection) else SESSION_KEY
    place = next(number for number, column in enumerate(shape.columns) if column.name == name)
    session: SessionId = row[place]
    return session


async def _viewer(log: Log, session: SessionId | None, principal: Principal) -> Viewer | None:
    """The viewer of a session's rows; None where the principal may not read it."""
    may_read = session is None or matches_any(session, principal.read)
    return await principal.viewer(log, session) if may_read else None
