"""Who may see an event.

An audience is absent (everyone in the session) or a list of `users`, `agents` and participants' ids. Whoever did a
thing sees it, and so do services that were given the right to see all: exporters, auditors, projections.
"""

from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

from .ids import Name, ParticipantId
from .model import Kind

EVERYONE = "everyone"
USERS = "users"
AGENTS = "agents"
RESERVED = frozenset({EVERYONE, USERS, AGENTS})
"""What no participant may be called: it would see what is meant for the group."""
_GROUP_OF_KIND = {"user": USERS, "agent": AGENTS, "service": AGENTS}


def _normal(audience: tuple[str, ...]) -> tuple[str, ...] | None:
    return None if EVERYONE in audience else tuple(sorted(set(audience)))


MAX_NAMES = 64
Audience = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_NAMES), AfterValidator(_normal)]
"""`["everyone"]`, or any of `users`, `agents` and participants' ids. Normalised: everyone becomes absent."""


KeptAudience = Annotated[tuple[Name, ...], Field(min_length=1, max_length=MAX_NAMES + 1), AfterValidator(_normal)]
"""The same as it stands in events, where an author may have been added."""


class Viewer(NamedTuple):
    """Who looks: the same participant as the actor of their commands. `sees_all` lifts every audience."""

    id: ParticipantId
    kind: Kind
    sees_all: bool = False


def visible(audience: tuple[str, ...] | None, actor: ParticipantId, viewer: Viewer) -> bool:
    """Whether `viewer` may see an event of this audience and actor. Services count as agents."""
    if audience is None or viewer.sees_all or actor == viewer.id:
        return True
    return (viewer.id in audience and viewer.id not in RESERVED) or _GROUP_OF_KIND[viewer.kind] in audience


def including(audience: tuple[str, ...] | None, participant: ParticipantId) -> tuple[str, ...] | None:
    """The audience, and that participant: whose message somebody else ends must hear of it."""
    return None if audience is None else tuple(sorted({*audience, participant}))
