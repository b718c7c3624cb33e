"""From what a view holds to what a viewer gets of it, as JSON.

Rows are rendered by the columns of the build that they were read from, which may be of another version than the code.
Only the code that filled a build knows what in it is not for everyone; while that is another version, the view is not
shown.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from ...domain.audience import Viewer
from ...domain.envelope import timestamp
from ...domain.errors import NotReady
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import Column, Row, Shape
from ...projections.store import Build

_DATA_COLUMN = 2  # where a document's JSON is in its row


def render_rows(projection: AnyProjection, build: Build, rows: Sequence[Row], viewer: Viewer) -> list[bytes | None]:
    """What a viewer gets of each stored row; None for what is not shown to them. Raises NotReady."""
    if build.shape.restricted:
        if (build.shape, build.version) == (projection.shape, projection.version):
            return render_own_rows(projection, rows, viewer)
        if not viewer.sees_all:
            raise NotReady(f"The view {projection.name} is being built anew; try again in a moment.", retry_after=5.0)
    return _as_stored(projection, build.shape, rows)


def render_own_rows(projection: AnyProjection, rows: Iterable[Row], viewer: Viewer) -> list[bytes | None]:
    """The same of rows that this very code has made."""
    if not projection.shape.restricted:
        return _as_stored(projection, projection.shape, rows)
    folder, rendered = projection.folder(), list[bytes | None]()
    for row in rows:
        place = folder.load(row)
        value = folder.values[place]
        seen = value if projection.seen is None else projection.seen(value, viewer)
        if seen is None:
            rendered.append(None)
        elif seen is value:  # all of it, so nothing need be written again
            rendered += _as_stored(projection, projection.shape, [row])
        else:
            folder.values[place] = seen
            rendered += _as_stored(projection, projection.shape, [folder.row(place)])
        folder.drop(place)
    return rendered


def etag_of(value: bytes | None) -> str:
    """What distinguishes one value of a document from another, the same for everyone; empty where there is none."""
    return "" if value is None else hashlib.blake2b(value, digest_size=12).hexdigest()


def _as_stored(projection: AnyProjection, shape: Shape, rows: Iterable[Row]) -> list[bytes | None]:
    if isinstance(projection, DocProjection):
        return [bytes(row[_DATA_COLUMN]) for row in rows]
    return [_by_columns(shape, row) for row in rows]


def _by_columns(shape: Shape, row: Row) -> bytes:
    text = orjson.dumps({column.name: _plain(column, value) for column, value in zip(shape.columns, row, strict=True)})
    return bytes(memoryview(text))  # a copy: orjson leaves its results with a buffer several times as large


def _plain(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.kind == "boolean":
        return bool(value)
    if column.kind == "json":
        return orjson.Fragment(value) if isinstance(value, str | bytes) else value
    return timestamp(value) if isinstance(value, datetime) else value
