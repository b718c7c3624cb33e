"""Where the forks among what is imported begin: what is known of their origins at those versions.

An export of all has a fork from its `session.forked` on, behind its origin; an export of the fork by its name has all
of it. Either way it is to share its beginning with its origin again, and the origin may be in the log, or in the import
itself.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...domain.ids import SessionId, Version
from ...domain.state import State
from ...log.log import Log
from ...log.paging import session_pages
from .checked_session import chained


class Fork(NamedTuple):
    """Says that a session is forked from another at a version, by an event of this version."""

    session: SessionId
    version: int
    origin: SessionId
    at: int


Point = tuple[SessionId, int]


class ForkPoints:
    """The states and digests of sessions at the versions at which others are forked from them, once these are reached.

    `forks` are all that the import has.
    """

    def __init__(self, forks: Iterable[Fork]) -> None:
        self._forks: dict[SessionId, list[Fork]] = {}
        for fork in forks:
            self._forks.setdefault(fork.session, []).append(fork)
        origins = [(each.origin, each.at) for known in self._forks.values() for each in known]
        self._found: dict[Point, tuple[State, bytes]] = {}
        self._wanted = {same for origin, at in origins for same in self._same(origin, at)}

    def note(self, state: State, digest: bytes) -> None:
        """A session has been read up to here."""
        if (state.id, state.version) in self._wanted:
            self._found[state.id, state.version] = (state, digest)

    async def state(self, log: Log, session: SessionId, at: Version) -> State | None:
        """The session at this version, of the import or of the log; None where it does not come so far."""
        for same in self._same(session, at):
            if same in self._found:
                return self._found[same][0]
            if (await log.state(same[0])).version >= at:
                return await log.state_at(same[0], at)
        return None

    async def digest(self, log: Log, session: SessionId, at: Version) -> bytes | None:
        """What its history up to this version comes to."""
        for same in self._same(session, at):
            if same in self._found:
                return self._found[same][1]
            if (await log.state(same[0])).version >= at:
                digest = b""
                async for page in session_pages(log, same[0], 0, at):
                    for record in page:
                        digest = chained(digest, record.data)
                return digest
        return None

    def _same(self, session: SessionId, at: int) -> Iterator[Point]:
        """Sessions with one history up to a version: this one, and if it is a fork that begins later, its origin."""
        while True:
            yield session, at
            later = [fork for fork in self._forks.get(session, ()) if fork.version > at]
            if not later:
                return
            session = min(later, key=lambda fork: fork.version).origin
