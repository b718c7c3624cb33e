"""The rows of a session in a view, as one object: by the rest of their key. So they are followed, and compared, as
documents are, by patches that add, replace and remove whole rows."""

from collections.abc import Iterable, Mapping

import orjson

from ...domain.json.pointer import pointer
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import Row, Shape
from .access import SESSION_KEY
from .document_follower import RenderedDocument

MAX_FOLLOWED_ROWS = 1_000
"""Rows of a session that are followed: the newest, by the order in which the view lists them."""


class RenderedRows(RenderedDocument):
    """Rows as some viewers see them."""

    def __init__(self, rows: Mapping[str, bytes]) -> None:
        super().__init__(b"{%b}" % b",".join([b"%b:%b" % (orjson.dumps(id), text) for id, text in rows.items()]))
        self.rows = rows

    def patch_from(self, before: RenderedDocument) -> bytes:
        assert isinstance(before, RenderedRows)
        patch = self._patches.get(before.etag)
        if patch is None:
            patch = self._patches[before.etag] = orjson.dumps(rows_difference(before.rows, self.rows))
        return patch


def rows_difference(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[dict[str, object]]:
    """Operations that make these rows of those, as a JSON Patch (RFC 6902) of the object; values are spliced in."""
    gone: list[dict[str, object]] = [{"op": "remove", "path": pointer([id])} for id in before if id not in after]
    return gone + [
        {"op": "replace" if id in before else "add", "path": pointer([id]), "value": orjson.Fragment(text)}
        for id, text in after.items()
        if before.get(id) != text
    ]


def by_id(shape: Shape, rows: Iterable[tuple[Row, bytes | None]]) -> dict[str, bytes]:
    """Those rows that are shown, by what tells them apart in their session, in its order."""
    return dict(sorted((row_id(shape, row), text) for row, text in rows if text is not None))


def row_id(shape: Shape, row: Row) -> str:
    """What tells a row from the others of its session: its key without the session; a JSON array where that is of
    several columns."""
    names = [column.name for column in shape.columns]
    parts = [row[names.index(name)] for name in shape.key if name != SESSION_KEY]
    return str(parts[0]) if len(parts) == 1 else orjson.dumps(parts).decode()


def newest_first(projection: AnyProjection) -> str:
    """The order by which the followed rows are chosen."""
    order = projection.shape.session_order
    return f"-{order}" if order else ""
