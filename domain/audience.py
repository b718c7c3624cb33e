"""Who may see an event.

An audience is absent (everyone in the session) or a list of `users`, `agents` and participants' ids. Participants also
see what they said themselves, and services with the right to see all (exporters, auditors, projections) see everything.

Who caused an event has no say. One commit holds what a command states and what follows from it, all of it under the
same actor: who cancels a task ends messages that were never meant for them. So only types that their authors alone
write (`SAID`) count as said by their actor. Every other type is judged by its audience alone, which must name those who
are to see it. `readers` makes that one list, and `visible` knows nothing else: no surface can ask who the actor was.
"""

from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field, StringConstraints

from .ids import NAME_PATTERN, Name, ParticipantId
from .model import TIMEKEEPER, Actor, Kind
from .wording.patterns import pattern

EVERYONE = "everyone"
USERS = "users"
AGENTS = "agents"
RESERVED = frozenset({EVERYONE, USERS, AGENTS})
"""What no participant may be called: it would see what is meant for the group."""
SAID = (
    "message.posted",
    "message.started",
    "message.delta",
    "message.completed",
    "tool.called",
    "tool.output",
    "tool.returned",
    "stream.created",
    "stream.appended",
    "x.",
    "app.",
)
"""Types, or what their names begin with, that nobody but their author writes: never a consequence of what others do."""
_GROUP_OF_KIND = {"user": USERS, "agent": AGENTS, "service": AGENTS}


def normal(audience: tuple[str, ...]) -> tuple[str, ...] | None:
    """An audience in its one form: everyone is None."""
    return None if EVERYONE in audience else tuple(sorted(set(audience)))


MAX_NAMES = 64
_RECIPIENT = pattern(f"^@?{NAME_PATTERN[1:]}", "users, agents, everyone, or a participant's name")
Recipient = Annotated[str, StringConstraints(pattern=_RECIPIENT, max_length=129)]
Audience = Annotated[tuple[Recipient, ...], Field(min_length=1, max_length=MAX_NAMES), AfterValidator(normal)]
"""`["everyone"]`, or any of `users`, `agents` and participants' ids; `@` before an id: also if nobody here has it.
Normalised: everyone becomes absent."""


KeptAudience = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(normal)]
"""The same as it stands in events, where those may have been added whom the thing concerns."""


class Viewer(NamedTuple):
    """Who looks: the same participant as the actor of their commands. `sees_all` lifts every audience."""

    id: ParticipantId
    kind: Kind
    sees_all: bool = False


def visible(readers: tuple[str, ...] | None, viewer: Viewer) -> bool:
    """Whether `viewer` may see what is for these readers. Services count as agents."""
    if readers is None or viewer.sees_all:
        return True
    return (viewer.id in readers and viewer.id not in RESERVED) or _GROUP_OF_KIND[viewer.kind] in readers


def sees(actor: Actor, readers: tuple[str, ...] | None) -> bool:
    """Whether the actor of a command may know of what is for these readers. The gateway's clock may of everything."""
    return readers is None or actor == TIMEKEEPER or visible(readers, Viewer(*actor))


def readers(type: str, audience: tuple[str, ...] | None, actor: ParticipantId) -> tuple[str, ...] | None:
    """Who may see an event of this type, audience and actor; None: everyone."""
    if audience is None or actor in audience or actor in RESERVED or not type.startswith(SAID):
        return audience
    return (*audience, actor)


def including(audience: tuple[str, ...] | None, participant: ParticipantId) -> tuple[str, ...] | None:
    """The audience, and that participant: the author of a message that somebody else ends must hear of it. A name that
    is a group's adds nobody."""
    if audience is None or participant in RESERVED:
        return audience
    return tuple(sorted({*audience, participant}))
