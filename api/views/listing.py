"""Pages of documents or rows: those that a principal may see, in an order, from a place on.

What is hidden is passed over, and so a page may take several readings. It gives up on one that reads very much and
finds nothing: such a search must be narrowed.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
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
from ..delivery.event_filter import matches
from . import cursor
from .access import SESSION, by_session
from .rendering import render_rows
from .service import ViewService

MAX_READ = 20_000
_PAGE = 200


class Wanted(NamedTuple):
    """What is asked for: rows whose columns equal `where`, by `order`, after a place."""

    where: Mapping[str, Any]
    order: str
    after: str | None
    limit: int


class Listed(NamedTuple):
    """A page. Rows come with their stored form, of documents the first column is the key."""

    rows: list[tuple[Row, bytes]]
    next: str | None
    position: Position


async def listed(views: ViewService, projection: AnyProjection, principal: Principal, wanted: Wanted) -> Listed:
    """A page of a view as it is, of the sessions that the principal may read. Raises Invalid, BadCursor, NotReady."""
    await views.current(projection.name)
    found: list[tuple[Row, bytes]] = []
    after = None if wanted.after is None else cursor.read(wanted.after, wanted.order)
    read, size = 0, max(_PAGE, wanted.limit)
    while True:
        page = await views.store.find(projection.name, wanted.where, order=wanted.order, after=after, limit=size)
        found += await _visible(views.log, projection, page.build, page.rows, principal)
        read += len(page.rows)
        ended = len(page.rows) < size
        if ended or len(found) > wanted.limit or read >= MAX_READ:
            break
        after = place_of(page.build.shape, page.rows[-1], wanted.order)
    if not found and not ended:
        raise Invalid("Almost nothing of this view may be shown to you; ask for one session of it.")
    more = not ended or len(found) > wanted.limit
    found = found[: wanted.limit]
    last = cursor.written(wanted.order, place_of(page.build.shape, found[-1][0], wanted.order)) if more else None
    return Listed(found, last, page.build.checkpoint.position)


def place_of(shape: Shape, row: Row, order: str) -> list[Any]:
    """Where a row stands in an order: the ordering column's value, and the key."""
    fields = dict(zip([column.name for column in shape.columns], row, strict=True))
    found = [fields[name] for name in ordering(shape, order)]
    return [timestamp(each) if isinstance(each, datetime) else each for each in found]


def ordering(shape: Shape, order: str) -> tuple[str, ...]:
    """The columns by which rows are ordered."""
    return tuple(dict.fromkeys((order.removeprefix("-") or shape.key[0], *shape.key)))


def natural(projection: AnyProjection) -> str:
    """The order in which a session's rows are shown unless another is asked for: that of the first index which begins
    with the session."""
    if isinstance(projection, DocProjection):
        return ""
    return next((index[1] for index in projection.shape.indexes if index[0] == SESSION and len(index) > 1), "")


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
    name = "key" if isinstance(projection, DocProjection) else SESSION
    place = next(number for number, column in enumerate(shape.columns) if column.name == name)
    session: SessionId = row[place]
    return session


async def _viewer(log: Log, session: SessionId | None, principal: Principal) -> Viewer | None:
    """Who looks at a session's rows; None where the principal may not read it."""
    if session is None:
        return principal.log_viewer
    return await principal.viewer(log, session) if matches(session, principal.read) else None
