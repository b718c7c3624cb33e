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


Audience = Annotated[tuple[Name, ...], Field(min_length=1, max_length=64), AfterValidator(_normal)]
"""`["everyone"]`, or any of `users`, `agents` and participants' ids. Normalised: everyone becomes absent."""


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
