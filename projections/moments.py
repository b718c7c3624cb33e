"""What a view was at any moment: a session folded up to a version or a time.

    then = await Moments(log, store, board).at("trip-7", version=512)
    then.value.claims

The fold goes on from the newest snapshot before that version. Snapshots are taken on the way, every thousand events
(the larger the value, the fewer), and are a cache: one of other code, of another log, or that cannot be read is passed
over. What operators had left out of the view is left out of its past, too. Only projections by session have moments,
for only those depend on a session's events alone.
"""

import hashlib
from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar

import orjson

from ..domain.envelope import decode
from ..domain.errors import Invalid
from ..domain.ids import Position, SessionId, Version
from ..log.log import Log
from ..log.paging import session_pages
from ..log.records import Record
from .authoring.fingerprint import fingerprint
from .authoring.projection import Projection
from .authoring.shape import Row, Shape
from .folding import Fold
from .runner.checkpoints import digest_of
from .runner.time_slices import slices
from .seek import version_at
from .store import ViewStore
from .store.records import Snapshot

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

SNAPSHOT_EVERY_EVENTS = 1_000
"""Events between two snapshots of a small value."""
_LARGE = 64 * 2**10  # bytes of a snapshot from which on they are taken more rarely


class Moment(NamedTuple, Generic[K, T]):
    """A session's part of a view as it was. `version` is that of the last event before the moment, 0 if there was none;
    so is `position`."""

    session: SessionId
    version: Version
    position: Position
    values: dict[K, T]
    """By key or place. Documents: at most one, by the session."""

    @property
    def value(self) -> T | None:
        """The session's document; None while there was none."""
        return next(iter(self.values.values()), None)


class Moments(Generic[K, T]):
    """Answers for any moment of one projection."""

    def __init__(self, log: Log, store: ViewStore, projection: Projection[K, T]) -> None:
        """Raises Invalid for a projection that is not by session."""
        if projection.key != "session":
            raise Invalid(f"{projection.name} is not kept by session, so it has no moments; ask for it as it is now.")
        self._log = log
        self._store = store
        self._projection = projection
        self._fingerprint = fingerprint(projection, log.epoch)

    async def at(self, session: SessionId, *, version: int | None = None, time: datetime | None = None) -> Moment[K, T]:
        """The view at a version or a time of the session; with neither, now.

        Raises NotFound for a session that there is not, BadCursor for a version or a time that is yet to come,
        FoldFailed.
        """
        return await self._fold(session, await version_at(self._log, session, version=version, time=time))

    async def _fold(self, session: SessionId, version: int) -> Moment[K, T]:
        skipped = await self._store.skipped(self._projection.name, session)
        place = _snapshots_of(session, skipped)
        folding = await self._resume(session, version, place, skipped)
        new = list[Snapshot]()
        async for page in session_pages(self._log, session, folding.version, version):
            async for few in slices(page):
                new += folding.fold_on(few)
        if new:
            await self._store.keep(self._projection.name, self._fingerprint, place, new)
        return Moment(session, Version(folding.version), Position(folding.position), folding.fold.values())

    async def _resume(self, session: SessionId, version: int, place: str, skipped: frozenset[int]) -> "_Folding":
        """The fold as the newest good snapshot left it."""
        found = await self._store.snapshot(self._projection.name, self._fingerprint, place, version)
        if found is not None:
            stands = await self._log.read_session(session, found.version - 1, 1)
            folding = _Folding(self._projection, skipped)
            if stands and folding.restore(found, stands[0]):
                return folding
        return _Folding(self._projection, skipped)


class _Folding:
    """A session's fold on its way, and when it is time for the next snapshot."""

    def __init__(self, projection: Projection[Any, Any], skipped: frozenset[int]) -> None:
        self.fold = Fold(projection)
        self._skipped = skipped
        self.version = 0
        self.position = 0
        self._projection = projection
        self._next = SNAPSHOT_EVERY_EVENTS

    def fold_on(self, records: Iterable[Record]) -> list[Snapshot]:
        """Fold some more events; the snapshots for which it was time. Raises FoldFailed."""
        new = []
        for record in records:
            if self._projection.handlers.of(record.type) and record.position not in self._skipped:
                self.fold.fold(decode(record.data, record.position, record.session, record.version))
            self.version, self.position = record.version, record.position
            if record.version >= self._next:
                new.append(self._snapshot(record))
        return new

    def _snapshot(self, last: Record) -> Snapshot:
        folder = self.fold.folder
        rows = [_written(folder.row(place)) for place, value in folder.values.items() if value is not None]
        data = orjson.dumps([digest_of(last), rows])
        self._next = self.version + SNAPSHOT_EVERY_EVENTS * (1 + len(data) // _LARGE)
        return Snapshot(self.version, data)

    def restore(self, snapshot: Snapshot, stands: Record) -> bool:
        """Go on from a snapshot; `stands` is the event at its version. False if it is of another, or unreadable."""
        try:
            digest, rows = orjson.loads(snapshot.data)
            if digest != digest_of(stands):
                return False
            for row in rows:
                self.fold.folder.load(_read(row, self._projection.shape))
        except (ValueError, TypeError, KeyError):
            return False
        self.version, self.position = stands.version, stands.position
        self._next = self.version + SNAPSHOT_EVERY_EVENTS * (1 + len(snapshot.data) // _LARGE)
        return True


def _snapshots_of(session: SessionId, skipped: frozenset[int]) -> str:
    """Where a session's snapshots are: apart from those of the time before something was left out."""
    if not skipped:
        return session
    return f"{session} without {hashlib.sha256(orjson.dumps(sorted(skipped))).hexdigest()[:16]}"


def _written(row: Row) -> list[Any]:
    return [value.decode() if isinstance(value, bytes) else value for value in row]


def _read(row: list[Any], shape: Shape) -> Row:
    return tuple(
        [value.encode() if column.kind == "bytes" else value for column, value in zip(shape.columns, row, strict=True)]
    )
