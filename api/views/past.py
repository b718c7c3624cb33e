"""Views as they were, for a viewer: at a version or a time of a session, and what changed between two."""

from collections.abc import AsyncIterator, Mapping
from itertools import islice
from typing import Any

import orjson

from ...domain.audience import Viewer
from ...domain.errors import Invalid, TooLarge
from ...domain.json.diff import difference
from ...log.engine import PAGE_BYTES
from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.authoring.shape import STORED, Row
from ...projections.moment_fold import MomentRows
from ...projections.runner.time_slices import slices
from .access import SESSION_KEY, searchable
from .listing import ListPage, ListQuery, PageBuilder, in_order, sort_columns
from .rendering import render_own_rows
from .row_set import by_id, rows_difference

KeyedPlace = tuple[tuple[Any, ...], Row]
"""A row's place in an order, and where it is."""
Keyed = list[KeyedPlace]
_ROWS_RENDERED = 8
"""Rows that are rendered between two looks at the clock: each may be a megabyte."""


def document_of(projection: AnyProjection, then: MomentRows, viewer: Viewer) -> bytes | None:
    """The document at that moment, as the viewer gets it; None where there was none."""
    rows = [then.row(projection.shape, place) for place in then.packed]
    return next(iter(render_own_rows(projection, rows, viewer)), None)


async def rows_of(projection: AnyProjection, then: MomentRows, viewer: Viewer, wanted: ListQuery) -> ListPage:
    """A page of the rows at that moment. Raises Invalid and BadCursor."""
    shape, page = projection.shape, PageBuilder(wanted)
    _check(projection, [*wanted.where, *sort_columns(shape, wanted.order)])
    names = [column.name for column in shape.columns]
    columns = tuple([names.index(name) for name in sort_columns(shape, wanted.order)])
    found = await _keyed(then, names.index(SESSION_KEY), columns)
    where = {
        number: STORED[column.kind](wanted.where[column.name])
        for number, column in enumerate(shape.columns)
        if column.name in wanted.where and column.name != SESSION_KEY  # looked at already
    }
    if where:
        found = [each async for each in _that_fit(then, found, where)]
    ordered = await in_order(found, wanted)
    while not page.full and (places := [*islice(ordered, wanted.limit)]):
        async for row, text in _shown(projection, then, places, viewer):
            page.add(shape, row, text)
    return page.page(then.position)


async def _keyed(then: MomentRows, session: int, columns: tuple[int, ...]) -> Keyed:
    """The places of all rows, each with the values of these columns; those that were asked for last are remembered. A
    row that says in its column `session` that it is of another one is none of them."""
    known: Keyed | None = then.by_columns.get(columns)
    if known is not None:
        return known
    found: Keyed = []
    async for few in slices([*then.packed.items()]):
        for place, data in few:
            row = orjson.loads(data)
            if row[session] == then.session:
                found.append((tuple([row[number] for number in columns]), place))
    then.by_columns.clear()
    then.by_columns[columns] = found
    return found


async def _that_fit(then: MomentRows, keyed: Keyed, where: Mapping[int, Any]) -> AsyncIterator[KeyedPlace]:
    """Those whose columns, by number, have these values."""
    async for few in slices(keyed):
        for each in few:
            row = orjson.loads(then.packed[each[1]])
            if all(row[number] == value for number, value in where.items()):
                yield each


async def difference_between(
    projection: AnyProjection, moments: tuple[MomentRows, MomentRows], viewer: Viewer
) -> bytes:
    """What a viewer sees change from one moment to another, as a JSON Patch (RFC 6902): of a document, or of an object
    of the session's rows (`row_set`). Raises TooLarge."""
    before, after = moments
    if isinstance(projection, DocProjection):
        one, other = [document_of(projection, each, viewer) for each in moments]
        patch = orjson.dumps(difference(orjson.loads(one or b"null"), orjson.loads(other or b"null")))
    else:
        # What is the same in store is the same to everyone: only the rest need be rendered and compared.
        changed = [
            {place for place, data in each.packed.items() if rest.packed.get(place) != data}
            for each, rest in ((before, after), (after, before))
        ]
        rows = [await _rows_at(projection, *each, viewer) for each in zip(moments, changed, strict=True)]
        patch = orjson.dumps(rows_difference(*rows))
    if len(patch) > PAGE_BYTES:
        raise _too_large(projection)
    return patch


async def _rows_at(projection: AnyProjection, then: MomentRows, places: set[Row], viewer: Viewer) -> dict[str, bytes]:
    """Some of the rows of a moment, as the viewer gets them. Raises TooLarge."""
    found, size = list[tuple[Row, bytes]](), 0
    async for row, text in _shown(projection, then, [*places], viewer):
        found.append((row, text))
        size += len(text)
        if size > PAGE_BYTES:
            raise _too_large(projection)
    return by_id(projection.shape, found)


async def _shown(
    projection: AnyProjection, then: MomentRows, places: list[Row], viewer: Viewer
) -> AsyncIterator[tuple[Row, bytes]]:
    """Those of these rows that the viewer is shown, and what is shown of each."""
    async for few in slices(places, _ROWS_RENDERED):
        rows = [then.row(projection.shape, place) for place in few]
        for row, text in zip(rows, render_own_rows(projection, rows, viewer), strict=True):
            if text is not None:
                yield row, text


def _too_large(projection: AnyProjection) -> TooLarge:
    return TooLarge(
        f"What changed in {projection.name} is more than {PAGE_BYTES // 2**20} MiB; ask for moments that are nearer to "
        "each other, or read its rows at both."
    )


def _check(projection: AnyProjection, names: list[str]) -> None:
    known = searchable(projection)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Invalid(f"{projection.name} cannot be searched by {unknown[0]!r}; it can by {', '.join(sorted(known))}.")
