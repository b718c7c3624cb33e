"""What the records of a session come to, kept in memory: read once, then only what is new."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

from ..domain.errors import BadCursor
from ..domain.ids import SessionId
from .journal import Entry, Journal, Reader

MAX_SESSIONS = 1_000
"""That are kept in memory: those used last."""


class Fold(Protocol):
    """What records come to."""

    reader: Reader

    def fold(self, entry: Entry) -> None:
        """Add a record."""


F = TypeVar("F", bound=Fold)


class Folds(Generic[F]):
    """The sessions of a journal, each folded. To be used in the journal's loop."""

    def __init__(self, journal: Journal, make: Callable[[], F]) -> None:
        self._journal = journal
        self._make = make
        self._known: OrderedDict[SessionId, F] = OrderedDict()

    def of(self, session: SessionId) -> F:
        """The session as far as it was read. Hold its `reader.lock` while you read on, or write what rests on it."""
        if session not in self._known:
            self._known[session] = self._make()
            if len(self._known) > MAX_SESSIONS:
                self._known.popitem(last=False)
        self._known.move_to_end(session)
        return self._known[session]

    def known(self) -> list[F]:
        """Those in memory, used last first, as far as they were read."""
        return list(reversed(self._known.values()))

    async def read(self, session: SessionId, fold: F) -> None:
        """Read what is new. Raises BadCursor once where the log is another one now; the session is read anew then."""
        try:
            async for entry in self._journal.read(session, fold.reader):
                fold.fold(entry)
        except BadCursor:
            self._known.pop(session, None)
            raise

    @asynccontextmanager
    async def current(self, session: SessionId) -> AsyncIterator[F]:
        """The session as it is now, locked for the block."""
        fold = self.of(session)
        async with fold.reader.lock:
            await self.read(session, fold)
            yield fold
