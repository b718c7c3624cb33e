"""Snapshots of documents that their runner takes as it folds, so that no moment of a long session is folded from the
session's start, not even the first that somebody asks for.

They are those that `Moments` goes on from, and a cache as well: written in the same transaction as the documents, and
left out where a fold of the session would come to something else. The larger a document is, the fewer.
"""

from typing import Any

from ...log.log import Log
from ...log.records import Record
from ..authoring.document import DocProjection
from ..authoring.fingerprint import fingerprint
from ..authoring.projection import Projection
from ..store.database import size_of
from ..store.records import KeyedSnapshots, Snapshot
from .batch import Batch
from .log_reader import PageSlice
from .packed_rows import LARGE_BYTES, MAX_SNAPSHOT_BYTES, packed, snapshot_of

EVERY_EVENTS = 2_000
"""Events of a session between two snapshots of a small document."""


class DocumentSnapshots:
    """Those of one projection that are not written yet."""

    def __init__(self, projection: Projection[Any, Any], log: Log) -> None:
        self._log = log
        self._taken: list[tuple[str, Snapshot]] = []
        self._others_forgotten = False
        self._wanted = isinstance(projection, DocProjection) and projection.key == "session"
        self._fingerprint = fingerprint(projection, log.epoch) if self._wanted else ""

    async def take(self, events: PageSlice, batch: Batch) -> None:
        """Take what is due once a batch has folded a slice of the log, and nothing behind it. Raises ViewsFailed."""
        if not self._wanted:
            return
        for session in events.sessions():
            if not session.crosses(EVERY_EVENTS):
                continue
            last = session.last
            try:
                row = await batch.document(last.session)
            except ValueError:
                continue  # it cannot be stored, as the commit is about to find
            size = 0 if row is None else size_of(row)
            if session.crosses(EVERY_EVENTS * (1 + size // LARGE_BYTES)) and await self._is_newest(last):
                rows = [] if row is None else [packed(row)]
                if sum(map(len, rows)) <= MAX_SNAPSHOT_BYTES:
                    self._taken.append((last.session, snapshot_of(last, rows)))

    def written(self, *, current: bool) -> KeyedSnapshots:
        """What was taken, to be written now; for the build that readers see, those of other code are forgotten."""
        taken, self._taken = tuple(self._taken), []
        forget = current and bool(taken) and not self._others_forgotten
        self._others_forgotten = self._others_forgotten or forget
        return KeyedSnapshots(self._fingerprint, taken, forget)

    def forget(self) -> None:
        """Drop what was taken, because it is folded again."""
        self._taken = []

    async def _is_newest(self, last: Record) -> bool:
        """Whether all that the session has behind an event came later. An importer may have filled a hole with it."""
        behind = await self._log.read_session(last.session, last.version, 1)
        return not behind or behind[0].position > last.position
