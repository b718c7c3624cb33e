"""Views as they were, for a viewer: at a version or a time of a session, and what changed between two."""

import logging
from datetime import datetime
from typing import Any

import orjson

from ...domain.audience import Viewer
from ...domain.errors import BadCursor, FoldFailed, Invalid
from ...domain.ids import SessionId
from ...domain.json.diff import difference
from ...domain.json.patch import Operation
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import STORED
from ...projections.moments import Moment
from ..delivery.lag import not_there
from .access import searchable
from .listing import ListPage, ListQuery, sort_and_cut, sort_columns
from .rendering import render_values
from .row_set import by_id, rows_difference
from .service import ViewService

AnyMoment = Moment[Any, Any]
_logger = logging.getLogger(__name__)


async def fold_moment(
    views: ViewService, projection: AnyProjection, session: SessionId, at: int | datetime | None
) -> AnyMoment:
    """The view at a version or a time, or now. Raises Invalid for a view that has no moments, NotFound, BadCursor,
    NotReady."""
    moments = views.moments(projection)
    version, time = (None, at) if isinstance(at, datetime) else (at, None)
    try:
        async with views.folding:
            return await moments.at(session, version=version, time=time)
    except BadCursor as beyond:
        raise await not_there(views.log, beyond) from None
    except FoldFailed as failed:
        _logger.warning("%s", failed)  # clients are not told what the handler's exception says
        raise


def document_of(projection: AnyProjection, then: AnyMoment, viewer: Viewer) -> bytes | None:
    """The document at that moment, as the viewer gets it; None where there was none."""
    return next(iter(render_values(projection, then.values, viewer).values()), None)


def rows_of(projection: AnyProjection, then: AnyMoment, viewer: Viewer, wanted: ListQuery) -> ListPage:
    """A page of the rows at that moment. Raises Invalid and BadCursor."""
    shape = projection.shape
    _check(projection, [*wanted.where, *sort_columns(shape, wanted.order)])
    folder = projection.folder()
    folder.values = dict(then.values)
    found = [(folder.row(place), text) for place, text in render_values(projection, then.values, viewer).items()]
    places = [column.name for column in shape.columns]
    for name, value in wanted.where.items():
        column, number = shape.columns[places.index(name)], places.index(name)
        stored = STORED[column.kind](value)
        found = [each for each in found if each[0][number] == stored]
    return sort_and_cut(found, shape, wanted, then.position)


def difference_between(
    projection: AnyProjection, moments: tuple[AnyMoment, AnyMoment], viewer: Viewer
) -> list[Operation]:
    """What a viewer sees change from one moment to another, as a JSON Patch (RFC 6902): of a document, or of an object
    of the session's rows (`row_set`)."""
    if not isinstance(projection, DocProjection):
        before, after = [_rows_at(projection, each, viewer) for each in moments]
        return rows_difference(before, after)
    one, other = [document_of(projection, each, viewer) for each in moments]
    return difference(orjson.loads(one or b"null"), orjson.loads(other or b"null"))


def _rows_at(projection: AnyProjection, then: AnyMoment, viewer: Viewer) -> dict[str, bytes]:
    folder = projection.folder()
    folder.values = dict(then.values)
    rendered = render_values(projection, then.values, viewer)
    return by_id(projection.shape, [(folder.row(place), text) for place, text in rendered.items()])


def _check(projection: AnyProjection, names: list[str]) -> None:
    known = searchable(projection)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Invalid(f"{projection.name} cannot be searched by {unknown[0]!r}; it can by {', '.join(sorted(known))}.")
