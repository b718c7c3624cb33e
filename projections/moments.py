"""What a view was at any moment: a session folded up to a version or a time.

    then = await Moments(log, store, board).at("trip-7", version=512)
    then.value.claims

The fold goes on from the newest snapshot before that version. Snapshots are taken on the way, every thousand events
(the larger the value, the fewer), and are a cache: one of other code, of another log, or that cannot be read is passed
over. What operators had left out of the view is left out of its past, too. Only projections by session have moments,
for only those depend on a session's events alone.
"""

import hashlib
from collections.abc import Hashable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import orjson

from ..domain.errors import Invalid
from ..domain.ids import Position, SessionId, Version
from ..log.log import Log
from ..log.paging import session_pages
from .authoring.fingerprint import fingerprint
from .authoring.projection import Projection
from .moment_fold import SNAPSHOT_EVERY_EVENTS, MomentFold, MomentRows
from .runner.packed_rows import unpacked
from .runner.time_slices import slices
from .seek import version_at
from .store import ViewStore
from .store.records import Snapshot

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


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
        self.fingerprint = fingerprint(projection, log.epoch)
        """Tells this projection over this log from others, and from itself with other code."""

    async def at(self, session: SessionId, *, version: int | None = None, time: datetime | None = None) -> Moment[K, T]:
        """The view at a version or a time of the session; with neither, now.

        Raises NotFound for a session that there is not, BadCursor for a version or a time that is yet to come,
        FoldFailed, TooLarge.
        """
        version = await version_at(self._log, session, version if time is None else time)
        found = await self.rows(session, version, await self.skipped(session))
        folder = self._projection.folder()
        async for few in slices([*found.packed.values()]):
            for data in few:
                folder.load(unpacked(data, self._projection.shape))
        values = {place: value for place, value in folder.values.items() if value is not None}
        return Moment(session, found.version, found.position, values)

    async def skipped(self, session: SessionId) -> frozenset[int]:
        """The positions of what operators had left out of the session's part of the view."""
        return await self._store.skipped(self._projection.name, session)

    async def rows(
        self, session: SessionId, version: int, skipped: frozenset[int], earlier: MomentRows | None = None
    ) -> MomentRows:
        """The view's rows at a version that the session has or had. `earlier`: an earlier moment of the same, from
        which to go on. Raises FoldFailed."""
        place = _snapshots_of(session, skipped)
        folding = await self._resume(session, version, place, skipped, earlier)
        new = list[Snapshot]()
        async for page in session_pages(self._log, session, folding.version, version):
            async for few in slices(page):
                new += folding.fold_on(few)
            folding.settle()
        if new:
            await self._store.keep(self._projection.name, self.fingerprint, place, new)
        return folding.rows()

    async def _resume(
        self, session: SessionId, version: int, place: str, skipped: frozenset[int], earlier: MomentRows | None
    ) -> MomentFold:
        """The fold as an earlier moment, or the newest good snapshot, left it."""
        near = earlier is not None and version - earlier.version < SNAPSHOT_EVERY_EVENTS
        found = None if near else await self._store.snapshot(self._projection.name, self.fingerprint, place, version)
        if earlier is not None and (found is None or found.version <= earlier.version):
            folding = MomentFold(self._projection, session, skipped)
            folding.go_on_from(earlier)
            return folding
        if found is not None:
            stands = await self._log.read_session(session, found.version - 1, 1)
            folding = MomentFold(self._projection, session, skipped)
            if stands and await folding.restore(found, stands[0]):
                return folding
        return MomentFold(self._projection, session, skipped)


def _snapshots_of(session: SessionId, skipped: frozenset[int]) -> str:
    """Where a session's snapshots are: apart from those of the time before something was left out."""
    if not skipped:
        return session
    return f"{session} without {hashlib.sha256(orjson.dumps(sorted(skipped))).hexdigest()[:16]}"
