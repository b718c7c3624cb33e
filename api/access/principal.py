"""Who is at the other end, and what they may do."""

import time
from itertools import chain
from typing import NamedTuple

from immutables import Map

from ...domain.audience import Viewer
from ...domain.concepts.lifecycle import ForkSession
from ...domain.errors import Forbidden, Unauthenticated
from ...domain.ids import ParticipantId, SessionId
from ...domain.model import Actor, CommandData, Kind
from ...log.log import Log
from ..delivery.event_filter import matches_any
from .rights import RIGHT_OF, TAKE_PART, WORDS, Needed

EVERYTHING = ("*",)


class Principal(NamedTuple):
    """An authenticated participant. `read`, `write` and `audit` are patterns of session ids, and so is what stands in
    `rights` by the name of a finer right (`write` is all of these); `expires` is seconds since 1970, None for never;
    `run` is which process of theirs this is, where it says so; `operates`: they may rebuild and promote views; `record`
    are patterns of the sessions into which they may write what others said and did elsewhere."""

    participant: ParticipantId
    kind: Kind
    tenant: str = ""
    read: tuple[str, ...] = EVERYTHING
    write: tuple[str, ...] = EVERYTHING
    audit: tuple[str, ...] = ()
    expires: float | None = None
    rights: Map[str, tuple[str, ...]] = Map()
    run: str | None = None
    operates: bool = True
    record: tuple[str, ...] = EVERYTHING

    @property
    def actor(self) -> Actor:
        """As the actor of commands."""
        return Actor(self.participant, self.kind)

    def valid_for(self, seconds: float) -> float:
        """So many seconds, or as many as the token is good for, if those are fewer."""
        return seconds if self.expires is None else min(seconds, max(0.0, self.expires - time.time()))

    def require_valid(self) -> None:
        """Raise Unauthenticated when the token has expired since it was shown."""
        if self.expires is not None and time.time() >= self.expires:
            raise Unauthenticated("The token expired while the request waited. Get a new one.")

    @property
    def log_viewer(self) -> Viewer:
        """As a viewer of the whole log. Only with the right to audit all of it it sees whatever the audience."""
        return Viewer(self.participant, self.kind, self.audit == EVERYTHING)

    async def viewer(self, log: Log, session: SessionId | None) -> Viewer:
        """As a viewer of a session, or with None of the whole log. With the right to audit the session it sees whatever
        the audience; in a fork only with that right to every session in which its events were written. Nobody audits a
        session that does not exist yet: it might become a fork of any other one."""
        if session is None:
            return self.log_viewer
        audits = self.audit == EVERYTHING
        if not audits and matches_any(session, self.audit):
            lineage = await log.written_in(session)
            audits = bool(lineage) and all(matches_any(each, self.audit) for each in lineage)
        return Viewer(self.participant, self.kind, audits)

    def require_read(self, session: SessionId) -> None:
        """Raise Forbidden unless the token gives the right to read this session."""
        if self.read != EVERYTHING and not matches_any(session, self.read):
            raise _forbidden("read", session)

    def require_command(self, data: CommandData, session: SessionId) -> None:
        """Raise Forbidden unless the token gives the right that this command to this session takes."""
        if self.write != EVERYTHING:
            self.require(RIGHT_OF[data.do], session)
        if type(data) is ForkSession:
            self.require_read(data.origin)

    def require_operator(self) -> None:
        """Raise Forbidden unless the token gives the right to operate."""
        if not self.operates:
            raise Forbidden("This token gives no right to rebuild and promote views; that takes the scope operate:*.")

    def require_record(self, session: SessionId) -> None:
        """Raise Forbidden unless the token gives the right to record into this session."""
        if self.record != EVERYTHING and not matches_any(session, self.record):
            raise Forbidden(
                f"This token gives no right to record others in session {session!r}; that takes a scope such as "
                f"record:{session}, which is no part of write."
            )

    def require(self, right: Needed, session: SessionId) -> None:
        """Raise Forbidden unless the token gives this right to this session."""
        if self.write == EVERYTHING or matches_any(session, self.write):
            return
        patterns = chain(*self.rights.values()) if right == TAKE_PART else self.rights.get(right, ())
        if not matches_any(session, patterns):
            raise _forbidden(right, session)


def _forbidden(right: str, session: SessionId) -> Forbidden:
    return Forbidden(f"This token gives no right to {WORDS[right]} session {session!r}.")
