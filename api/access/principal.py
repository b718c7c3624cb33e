"""Who is at the other end, and what they may do."""

from typing import Literal, NamedTuple

from ...domain.audience import Viewer
from ...domain.errors import Forbidden
from ...domain.ids import ParticipantId, SessionId
from ...domain.model import Actor, Kind
from ..delivery.event_filter import matches_any

EVERYTHING = ("*",)


class Principal(NamedTuple):
    """An authenticated participant. `read`, `write` and `audit` are patterns of session ids; `expires` is seconds
    since 1970, None for never."""

    participant: ParticipantId
    kind: Kind
    tenant: str = ""
    read: tuple[str, ...] = EVERYTHING
    write: tuple[str, ...] = EVERYTHING
    audit: tuple[str, ...] = ()
    expires: float | None = None

    @property
    def actor(self) -> Actor:
        """As the actor of commands."""
        return Actor(self.participant, self.kind)

    def viewer(self, session: SessionId | None) -> Viewer:
        """As a viewer of a session, or with None of all. With the right to audit it sees whatever the audience."""
        audits = self.audit == EVERYTHING or (session is not None and matches_any(session, self.audit))
        return Viewer(self.participant, self.kind, audits)

    def require(self, right: Literal["read", "write"], session: SessionId) -> None:
        """Raise Forbidden unless the token gives this right to this session."""
        patterns = self.read if right == "read" else self.write
        if patterns != EVERYTHING and not matches_any(session, patterns):
            raise Forbidden(f"This token gives no right to {right} session {session!r}.")
