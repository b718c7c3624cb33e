"""How views are read: always of one build, and with the place up to which it was folded then."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from ...domain.errors import Invalid, NotFound
from ..authoring.shape import STORED, Column, Row, Shape
from . import sql
from .builds import current_build, read_parked
from .database import Database, names, size_of
from .records import Build, Found, Parked, Sample, Skipped, Snapshot

MAX_ROWS = 1_000
"""Rows of one page, at most."""


def fetch_rows(database: Database, build: Build, places: Collection[Row]) -> list[Row]:
    """The rows of a build in these places."""
    return database.fetch(build.table, build.shape, places)


def get_rows(database: Database, name: str, places: Collection[Row]) -> Found:
    """The rows of the current build in these places. Raises NotFound when the view has none."""
    with database.reading():
        build = _current(database, name)
        return Found(build, database.fetch(build.table, build.shape, places), *_left_out(database, build))


def read_whole(database: Database, name: str) -> Found:
    """All rows of the current build. Raises NotFound when the view has none."""
    with database.reading():
        build = _current(database, name)
        rows = database.rows(f"SELECT {names(build.shape.columns)} FROM @{build.table}")
        return Found(build, rows, *_left_out(database, build))


def read_of_session(database: Database, name: str, column: str, session: str) -> Found:
    """All rows of the current build in which the column is the session's id. Raises NotFound, Invalid."""
    with database.reading():
        build = _current(database, name)
        named = _column(build, column).name
        statement = f'SELECT {names(build.shape.columns)} FROM @{build.table} WHERE "{named}" = ?'
        return Found(build, database.rows(statement, (session,)), *_left_out(database, build))


def find_rows(
    database: Database,
    name: str,
    where: Mapping[str, Any],
    order: str,
    after: Sequence[Any] | None,
    limit: int,
    most: int,
) -> Found:
    """A page of rows of the current build whose columns equal `where`, by `order` (a column; `-` before it turns the
    order) and then by place. `after` is the last row's (column of the order, *place) of the page before. A page is
    bounded by bytes as well: it ends with the row with which it comes to `most`.

    Raises NotFound for a view that there is not, Invalid for columns that it has not.
    """
    with database.reading():
        build = _current(database, name)
        limit = max(1, min(limit, MAX_ROWS))
        rows = database.page(*_query(build, where, order, after, limit), build.shape, most)
        return Found(build, rows, more=len(rows) == limit or _size(rows) >= most)


def sample_rows(
    database: Database,
    name: str,
    where: Mapping[str, Any],
    column: str,
    edges: Sequence[Any],
    most: int,
    before: int,
    size: int,
) -> Sample:
    """A part of the rows of the current build whose columns equal `where`, by a column with an index behind these: of
    each stretch between two `edges` the first ones, and together at most `most` of them; and the last `before` of those
    ahead of the first edge. Each stretch has the same share, and what is left of that goes to those that have more. All
    of it is bounded by bytes as well, about `size`, which are shared like rows.

    What it costs does not depend on how many rows there are. Raises NotFound, Invalid.
    """
    with database.reading():
        build = _current(database, name)
        by = _column(build, column)
        conditions = "".join(f'"{_column(build, each).name}" = ? AND ' for each in where)
        given = [_value(_column(build, name), value) for name, value in where.items()]
        places = [_value(by, edge) for edge in edges]
        chosen = f'SELECT {names(build.shape.columns)} FROM @{build.table} WHERE {conditions}"{by.name}"'
        within = f'{chosen} >= ? AND "{by.name}" < ? ORDER BY "{by.name}" LIMIT ?'
        earlier = f'{chosen} < ? ORDER BY "{by.name}" DESC LIMIT ?'
        ahead = database.page(earlier, (*given, places[0], before), build.shape, size)
        bounds = list(pairwise(places))
        stretches, full, share = dict[int, list[Row]](), frozenset(range(len(bounds))), 0
        for _ in ("the same for each", "what is left for those that have more"):
            whole = [row for number in stretches.keys() - full for row in stretches[number]]
            more = max(1, (most - len(whole)) // max(1, len(full)))
            if not full or more == share:
                break
            share = more
            room = max(1, (size - _size(ahead) - _size(whole)) // len(full))
            for number in full:
                stretches[number] = database.page(within, (*given, *bounds[number], share), build.shape, room)
            full = frozenset(each for each in full if len(stretches[each]) >= share or _size(stretches[each]) >= room)
        return Sample(build, ahead, [stretches[number] for number in range(len(bounds))], full)


def _size(rows: Collection[Row]) -> int:
    return sum(map(size_of, rows))


def read_skipped(database: Database, name: str, key: str) -> frozenset[int]:
    """The positions of what was left out of a key of the current build."""
    return frozenset([position for (position,) in database.rows(sql.SKIPPED_OF_KEY, (name, key))])


def read_snapshot(database: Database, name: str, fingerprint: str, session: str, version: int) -> Snapshot | None:
    """The newest snapshot of a session at this version or before."""
    found = database.rows(sql.READ_SNAPSHOT, (name, fingerprint, session, version))
    return Snapshot(found[0][0], bytes(found[0][1])) if found else None


def put_snapshots(database: Database, name: str, fingerprint: str, session: str, snapshots: Sequence[Snapshot]) -> None:
    """Keep snapshots; those of the projection as it was before are forgotten."""
    with database.writing():
        database.run(sql.DROP_SNAPSHOTS, (name, fingerprint))
        for version, data in snapshots:
            database.run(sql.PUT_SNAPSHOT, (name, fingerprint, session, version, data))


def _current(database: Database, name: str) -> Build:
    build = current_build(database, name)
    if build is None:
        raise NotFound(f"There is no view {name!r} yet; it may be about to be built.")
    return build


def _left_out(database: Database, build: Build) -> tuple[dict[str, Parked], frozenset[Skipped]]:
    parked = {parked.key: parked for parked in read_parked(database, build.id)} if build.parked else {}
    return parked, frozenset([Skipped(*row) for row in database.rows(sql.READ_SKIPPED, (build.id,))])


def _query(
    build: Build, where: Mapping[str, Any], order: str, after: Sequence[Any] | None, limit: int
) -> tuple[str, list[Any]]:
    shape, down = build.shape, order.startswith("-")
    ordered = _column(build, order.removeprefix("-") or shape.key[0])
    by = tuple(dict.fromkeys((ordered.name, *shape.key)))
    conditions, values = [], []
    for name, value in where.items():
        column = _column(build, name)
        if value is None:
            conditions.append(f'"{name}" IS NULL')
        else:
            conditions.append(f'"{name}" = ?')
            values.append(_value(column, value))
    if ordered.nullable:  # a page must be able to follow on the last row of the one before
        conditions.append(f'"{ordered.name}" IS NOT NULL')
    if after is not None:
        if len(after) != len(by):
            raise Invalid(f"That place in {build.name} is of another order.")
        conditions.append(f"({names(by)}) {'<' if down else '>'} ({', '.join('?' for _ in by)})")
        values += [_value(_column(build, name), value) for name, value in zip(by, after, strict=True)]
    chosen = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    turned = ", ".join(f'"{name}"{" DESC" if down else ""}' for name in by)
    statement = f"SELECT {names(shape.columns)} FROM @{build.table}{chosen} ORDER BY {turned} LIMIT ?"
    return statement, [*values, limit]


def _column(build: Build, name: str) -> Column:
    shape: Shape = build.shape
    column = shape.column(name)
    searchable = {*shape.key, *[each for index in shape.indexes for each in index]}
    if column is None or name not in searchable:
        known = ", ".join(sorted(searchable))
        raise Invalid(f"{build.name} cannot be searched by {name!r}; it can by {known}.")
    return column


def _value(column: Column, value: Any) -> Any:
    try:
        if column.kind == "time" and isinstance(value, str):
            value = datetime.fromisoformat(value)
        return STORED[column.kind](value)
    except (ValueError, TypeError, AttributeError):
        raise Invalid(f"{column.name} has values of type {column.kind}; what is asked for is none.") from None
