"""A session's fold on its way to a moment, in little memory.

What has been folded is kept as rows in their stored form, packed as JSON; only what the last events were about is kept
as values, as a runner does (`WorkingSet`). A transcript of 30,000 messages is 15 MB then, not 100.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from ..domain.errors import FoldFailed, TooLarge
from ..domain.ids import Position, SessionId, Version
from ..log.records import Record
from .authoring.faults import contained, described
from .authoring.meta import read
from .authoring.projection import Item, Projection
from .authoring.shape import Row, Shape
from .folding import failure
from .runner.checkpoints import digest_of
from .runner.packed_rows import LARGE_BYTES, MAX_SNAPSHOT_BYTES, packed, snapshot_of, unpacked
from .runner.time_slices import slices
from .runner.working_set import WorkingSet
from .store.records import Snapshot

SNAPSHOT_EVERY_EVENTS = 1_000
"""Events between two snapshots of a small value."""
MAX_MOMENT_BYTES = 128 * 2**20
"""Memory that one moment may take."""
_MOST_VALUES, _MOST_VALUE_BYTES = 2_000, 4 * 2**20
"""What stays unpacked from one page of events to the next."""
_ROW_OVERHEAD = 450  # bytes of memory that a row takes besides its JSON, its place in an order included


class MomentRows(NamedTuple):
    """A session's part of a view as it was: its rows in their stored form, as JSON, by the columns of their primary
    key. `version` is that of the last event before the moment, 0 if there was none; so is `position`."""

    session: SessionId
    version: Version
    position: Position
    packed: Mapping[Row, bytes]
    size: int
    """About how many bytes of memory it takes."""
    by_columns: dict[tuple[int, ...], Any]
    """What readers have taken of all rows, by the columns: for them to remember."""

    def row(self, shape: Shape, place: Row) -> Row:
        """One row as a store would give it."""
        return unpacked(self.packed[place], shape)


class MomentFold:
    """Folds a session's events one after the other; at any time what has come of them can be taken."""

    def __init__(self, projection: Projection[Any, Any], session: SessionId, skipped: frozenset[int]) -> None:
        self.version = 0
        self.position = 0
        self._session = session
        self._skipped = skipped
        self._projection = projection
        self._shape = projection.shape
        self._working = WorkingSet(projection, most_values=_MOST_VALUES, most_bytes=_MOST_VALUE_BYTES)
        self._packed: dict[Row, bytes] = {}
        self._bytes = 0
        self._next_snapshot = SNAPSHOT_EVERY_EVENTS

    def fold_on(self, records: Iterable[Record]) -> list[Snapshot]:
        """Fold some more events; the snapshots for which it was time. Raises FoldFailed."""
        new = []
        for record in records:
            if self._projection.handlers.of(record.type) and record.position not in self._skipped:
                self._fold(record)
            self.version, self.position = record.version, record.position
            if record.version >= self._next_snapshot:
                self.settle()
                new += self._snapshot(record)
        return new

    def settle(self) -> None:
        """Pack what has changed. To be called now and then, so that values do not pile up. Raises FoldFailed, and
        TooLarge when all that there is takes too much memory."""
        try:
            changes = _changes(self._working)
        except Exception as fault:
            raise FoldFailed(
                f"{self._projection.name} made of session {self._session!r} what cannot be stored, up to version "
                f"{self.version}",
                fault=described(fault),
                projection=self._projection.name,
                session=self._session,
                version=self.version,
                position=self.position,
            ) from fault
        for place, row in changes.items():
            self._put(place, None if row is None else packed(row))
        if self._size > MAX_MOMENT_BYTES:
            raise TooLarge(
                f"What {self._projection.name} has of session {self._session!r} is more than "
                f"{MAX_MOMENT_BYTES // 2**20} MiB by version {self.version}; ask for an earlier moment, or read events."
            )

    @property
    def _size(self) -> int:
        return self._bytes + _ROW_OVERHEAD * (len(self._packed) + 1)

    def rows(self) -> MomentRows:
        """What there is now; folding on does not change it. Raises as `settle` does."""
        self.settle()
        return MomentRows(
            self._session, Version(self.version), Position(self.position), dict(self._packed), self._size, {}
        )

    def go_on_from(self, moment: MomentRows) -> None:
        """Begin with what was folded before. `moment` is of the same projection and session, with the same events
        left out."""
        self._packed = dict(moment.packed)
        self._bytes = sum(map(len, self._packed.values()))
        self._begin_at(moment.version, moment.position, self._bytes)

    async def restore(self, snapshot: Snapshot, stands: Record) -> bool:
        """Begin with a snapshot; `stands` is the event at its version. False if it is of another, or unreadable."""
        digest, *rows = snapshot.data.split(b"\n")
        if digest.decode(errors="replace") != digest_of(stands):
            return False
        try:
            for data in rows[:1]:  # a sample: reading all of them would take as long as to fold them
                self._projection.folder().load(unpacked(data, self._shape))
            async for few in slices(rows):
                for data in few:
                    self._put(self._place(data), data)
        except (ValueError, TypeError, KeyError):
            return False
        self._begin_at(stands.version, stands.position, len(snapshot.data))
        return True

    def _place(self, data: bytes) -> Row:
        """The columns of the primary key, which are the first ones. Raises ValueError for what is no row."""
        written = orjson.loads(data)
        if len(written) != len(self._shape.columns):
            raise ValueError("a row of another shape")
        return tuple(written[: len(self._shape.key)])

    def _fold(self, record: Record) -> None:
        event, meta = read(record)
        try:
            self._work(self._projection.items_of(event, meta))
        except Exception as fault:
            raise failure(self._projection, meta, fault) from fault

    def _work(self, items: list[Item]) -> None:
        folder, packed = self._working.folder, self._packed
        work = folder.prepare(items)
        wanted = self._working.missing(work)
        if wanted:
            self._working.load(wanted, [unpacked(packed[place], self._shape) for place in wanted if place in packed])
        folder.fold(work)

    def _put(self, place: Row, data: bytes | None) -> None:
        before = self._packed.pop(place, b"") if data is None else self._packed.get(place, b"")
        self._bytes += len(data or b"") - len(before)
        if data is not None:
            self._packed[place] = data

    def _snapshot(self, last: Record) -> list[Snapshot]:
        self._plan_snapshot(self._bytes)
        if self._bytes > MAX_SNAPSHOT_BYTES:
            return []
        return [snapshot_of(last, self._packed.values())]

    def _begin_at(self, version: int, position: int, size: int) -> None:
        self.version, self.position = version, position
        self._plan_snapshot(size)

    def _plan_snapshot(self, size: int) -> None:
        self._next_snapshot = self.version + SNAPSHOT_EVERY_EVENTS * (1 + size // LARGE_BYTES)


@contained
def _changes(working: WorkingSet) -> dict[Row, Row | None]:
    return working.changes()
