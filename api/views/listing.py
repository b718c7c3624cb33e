"""Pages of documents or rows: those that a principal may see, in an order, from a place on.

What is hidden is passed over, and so a page may take several readings. It gives up on one that reads very much and
finds nothing: such a search must be narrowed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from ...domain.audience import Viewer
from ...domain.envelope import timestamp
from ...domain.errors import Invalid
from ...domain.ids import Position, SessionId
from ...log.log import Log
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import Row, Shape
from ...projections.store import Build
from ..access.principal import Principal
from ..delivery.event_filter import matches_any
from .access import SESSION_KEY, by_session
from .page_cursor import read_cursor, write_cursor
from .rendering import render_rows
from .service import ViewService

MAX_ROWS_READ = 20_000
_PAGE_ROWS = 200

StoredRow = tuple[Row, bytes]
"""A row, and as it is rendered."""


class ListQuery(NamedTuple):
    """What is asked for: rows whose columns equal `where`, by `order`, after a place."""

    where: Mapping[str, Any]
    order: str
    after: str | None
    limit: int


class ListPage(NamedTuple):
    """A page. Rows come with their stored form, of documents the first column is the key."""

    rows: list[StoredRow]
    next: str | None
    position: Position


async def list_page(views: ViewService, projection: AnyProjection, principal: Principal, wanted: ListQuery) -> ListPage:
    """A page of a view as it is, of the sessions that the principal may read. Raises Invalid, BadCursor, NotReady."""
    await views.current(projection.name)
    found: list[StoredRow] = []
    after = None if wanted.after is None else read_cursor(wanted.after, wanted.order)
    read, size = 0, max(_PAGE_ROWS, wanted.limit)
    while True:
        page = await views.store.find(projection.name, wanted.where, order=wanted.order, after=after, limit=size)
        found += await _visible(views.log, projection, page.build, page.rows, principal)
        read += len(page.rows)
        ended = len(page.rows) < size
        if ended or len(found) > wanted.limit or read >= MAX_ROWS_READ:
            break
        after = sort_key(page.build.shape, page.rows[-1], wanted.order)
    if not found and not ended:
        raise Invalid("Almost nothing of this view may be shown to you; ask for one session of it.")
    return cut_page(found, page.build.shape, wanted, page.build.checkpoint.position, more=not ended)


def cut_page(found: list[StoredRow], shape: Shape, wanted: ListQuery, position: Position, *, more: bool) -> ListPage:
    """The first of these rows, up to the limit; `more`: there are others that were not read."""
    more = more or len(found) > wanted.limit
    found = found[: wanted.limit]
    next = write_cursor(wanted.order, sort_key(shape, found[-1][0], wanted.order)) if more else None
    return ListPage(found, next, position)


def sort_and_cut(found: list[StoredRow], shape: Shape, wanted: ListQuery, position: Position) -> ListPage:
    """A page of rows that are all in memory: those after the cursor, in their order. Raises BadCursor."""
    down = wanted.order.startswith("-")
    keyed = [(sort_key(shape, each[0], wanted.order), each) for each in found]
    keyed = [each for each in keyed if each[0][0] is not None]
    if wanted.after is not None:
        after = read_cursor(wanted.after, wanted.order)
        keyed = [each for each in keyed if (each[0] < after if down else each[0] > after)]
    keyed.sort(key=itemgetter(0), reverse=down)
    return cut_page([each for _, each in keyed], shape, wanted, position, more=False)


def sort_key(shape: Shape, row: Row, order: str) -> list[Any]:
    """The place of a row in an order: the ordering column's value, and the key."""
    fields = dict(zip([column.name for column in shape.columns], row, strict=True))
    found = [fields[name] for name in sort_columns(shape, order)]
    return [timestamp(each) if isinstance(each, datetime) else each for each in found]


def sort_columns(shape: Shape, order: str) -> tuple[str, ...]:
    """The columns by which rows are ordered."""
    return tuple(dict.fromkeys((order.removeprefix("-") or shape.key[0], *shape.key)))


async def _visible(
    log: Log, projection: AnyProjection, build: Build, rows: Sequence[Row], principal: Principal
) -> list[StoredRow]:
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
