"""One session during the check of an import, folded up to the last event that was looked at."""

import hashlib
from collections import deque

from ...domain.envelope import decode
from ...domain.ids import EventId, Version
from ...domain.session import evolve
from ...domain.state import State
from ...log.log import Log
from ...log.records import Record
from .import_entry import ImportEntry

PAGE_EVENTS = 1_000


class CheckedSession:
    """`head` is where the log has it; up to `upto` nothing of it is written, for the log has that, or a fork shares it.

    `digest` tells its history from any other.
    """

    def __init__(self, log: Log, state: State, head: Version) -> None:
        self.state = state
        self.head = head
        self.upto = head
        self.new = 0
        self.known = 0
        self.digest = b""
        self._log = log
        self._page: deque[Record] = deque()
        self._ids: set[EventId] = set()
        self.doubles: list[tuple[Version, str]] = []
        """Events with an id that another event has, by version, and what is said of that. Before a fork turns out to
        share its beginning, the ids of that are its origin's."""

    async def read_until(self, version: Version) -> None:
        """Fold what the log has, up to a version."""
        while self.state.version < version:
            record = await self.stored(self.state.version + 1)
            event = decode(record.data, record.position, record.session, record.version)
            self._ids.add(event.id)
            self.state = evolve(self.state, event)
            self.digest = chained(self.digest, record.data)

    async def stored(self, version: int) -> Record:
        """The log's own event of this version; versions are asked for in order."""
        while not self._page or self._page[0].version < version:
            if self._page:
                self._page.popleft()
            else:
                self._page.extend(await self._log.read_session(self.state.id, version - 1, PAGE_EVENTS))
        return self._page[0]

    def took(self, entry: ImportEntry, is_known: bool) -> None:
        """Count an event, which was folded."""
        self.known += is_known
        self.new += not is_known
        self.digest = chained(self.digest, entry.stored)

    def share(self, upto: Version) -> None:
        """What came so far is that of its origin, and is not written again."""
        self.upto = upto
        self.known, self.new = self.known + self.new, 0
        self.doubles = [each for each in self.doubles if each[0] > upto]

    def has_id(self, id: EventId) -> bool:
        """Whether an event of the session had this id before; from now on one has."""
        size = len(self._ids)
        self._ids.add(id)
        return len(self._ids) == size


def chained(digest: bytes, stored: bytes) -> bytes:
    """What tells a history from any other, with one event more."""
    return hashlib.blake2b(digest + stored, digest_size=16).digest()
