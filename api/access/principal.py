"""Who is at the other end, and what they may do."""

from typing import Literal, NamedTuple

from ...domain.audience import Viewer
from ...domain.errors import Forbidden
from ...domain.ids import ParticipantId, SessionId
from ...domain.model import Actor, Kind
from ...log.log import Log
from ..delivery.event_filter import matches_any

EVERYTHING = ("*",)


class Principal(NamedTuple):
    """An authenticated participant. `read`, `write` and `audit` are patterns of session ids; `expires` is seconds
    since 1970, None for never; `run` is which process of theirs this is, where it says so."""

    participant: ParticipantId
    kind: Kind
    tenant: str = ""
    read: tuple[str, ...] = EVERYTHING
    write: tuple[str, ...] = EVERYTHING
    audit: tuple[str, ...] = ()
    expires: float | None = None
    run: str | None = None

    @property
    def actor(self) -> Actor:
        """As the actor of commands."""
        return Actor(self.participant, self.kind)

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

    def require(self, right: Literal["read", "write"], session: SessionId) -> None:
        """Raise Forbidden unless the token gives this right to this session."""
        patterns = self.read if right == "read" else self.write
        if patterns != EVERYTHING and not matches_any(session, patterns):
            raise Forbidden(f"This token gives no right to {right} session {session!r}.")
