"""Rows of the past, made of the view as it is.

What a row with a `Lifetime` was at a version need not be folded from the session's start. One that had ended by then is
as it was. One that had not is folded again from its own events, which begin where it does: few events, for few rows are
open at a time.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..domain.ids import Position, SessionId, Version
from ..log.log import Log
from ..log.paging import session_pages
from ..log.records import Record
from .authoring.meta import read
from .authoring.projection import AnyProjection
from .authoring.shape import LARGEST, Row
from .authoring.table import TableProjection
from .folding import Fold
from .store import Build, ViewStore

_LEAST = {"text": "", "integer": -LARGEST}
"""What comes before every other value of a column of a primary key."""


class PastRows(NamedTuple):
    """A session's rows at a version that it has or had."""

    log: Log
    projection: TableProjection[Any]
    session: SessionId
    version: Version
    position: Position
    """Of the event at the version."""
    skipped: frozenset[int]
    """The positions of events that are left out of its part of the view."""
    build: int
    """What they are made of."""
    columns: tuple[int, int, int]
    """Where in a row its lifetime is."""

    def first_place(self, after: Sequence[Any] | None, order: str) -> Sequence[Any] | None:
        """After which place to read on in the view, for those that come after a place in an order by beginning."""
        if not order.startswith("-") or (after is not None and (type(after[0]) is not int or after[0] <= self.version)):
            return after
        key = self.projection.shape.columns[: len(self.projection.shape.key)]
        return [self.version + 1, *[_LEAST[column.kind] for column in key]]

    def is_before(self, row: Row) -> bool:
        """Whether the row began after the version."""
        since: int = row[self.columns[1]]
        return since > self.version

    async def as_they_were(self, rows: Sequence[Row]) -> list[Row]:
        """Those of these rows of the view that had begun, as they were, in the same order. Raises FoldFailed."""
        about, since, until = self.columns
        found = {self._place(row): row for row in rows if not self.is_before(row)}
        open = [row for row in found.values() if row[until] is None or row[until] > self.version]
        if open:
            folded = await self._folded({row[about] for row in open}, min([row[since] for row in open]))
            for place in map(self._place, open):
                found[place] = folded.folder.row(place)
        return [*found.values()]

    async def _folded(self, subjects: set[str], since: int) -> Fold[Any, Any]:
        """The rows about some subjects that began at a version or later."""
        folded, handles = Fold(self.projection), self.projection.handlers.of
        async for page in session_pages(self.log, self.session, since - 1, self.version):
            for record in page:
                if record.subject in subjects and record.position not in self.skipped and handles(record.type):
                    folded.fold_payload(*read(record))
            await asyncio.sleep(0)  # an engine in memory gives the loop no turn
        return folded

    def _place(self, row: Row) -> Row:
        return row[: len(self.projection.shape.key)]


def begins_by(projection: AnyProjection, order: str) -> bool:
    """Whether an order is that in which rows with a lifetime begin, or its reverse."""
    if not isinstance(projection, TableProjection) or projection.lifetime is None:
        return False
    return order.removeprefix("-") == projection.lifetime.since


async def past_rows(
    log: Log, store: ViewStore, projection: AnyProjection, session: SessionId, version: Version
) -> PastRows | None:
    """The rows at a version; None where they can only be folded from the session's start: for rows without a lifetime,
    and while the view is not complete."""
    if not isinstance(projection, TableProjection) or projection.lifetime is None or not version:
        return None
    build = await store.current(projection.name)
    there = await log.read_session(session, version - 1, 1)
    # Of a fork, its first own event as well: what it shares is folded just before that, and has earlier positions.
    places = [*there, *await log.engine.read_session(session, 0, 1)]
    if build is None or not there or not _is_complete(build, projection, log.epoch, places):
        return None
    skipped = await store.skipped(projection.name, session)
    names = [column.name for column in projection.shape.columns]
    about, since, until = [names.index(name) for name in projection.lifetime]
    return PastRows(log, projection, session, version, there[0].position, skipped, build.id, (about, since, until))


def _is_complete(build: Build, projection: TableProjection[Any], epoch: str, places: Sequence[Record]) -> bool:
    """Whether a build is of this code and log, has come past these events, and nothing waits to be folded again."""
    own = (build.shape, build.version, build.checkpoint.epoch) == (projection.shape, projection.version, epoch)
    return own and not build.parked and all(each.position <= build.checkpoint.position for each in places)
