"""The floor: which agents may address the people in a session.

While it is open, all may. Once it is given to some, what the other agents say is kept, but for the team alone.
"""

from typing import Annotated, ClassVar

from pydantic import Field, JsonValue

from ..audience import AGENTS, Viewer, visible
from ..errors import Forbidden, NoChange
from ..ids import ParticipantId
from ..model import Actor, Command, CommandData, Decision, Event, EventData, decided
from .presence import Presence

Speakers = Annotated[tuple[ParticipantId, ...], Field(max_length=64)]
Floor = frozenset[ParticipantId] | None
"""Who may address users; None: every agent."""
EMPTY: Floor = None


class FloorMoved(EventData):
    """Others may address the users now."""

    type = "floor.moved"
    speakers: Speakers | None = None
    """The agents that may; absent: all."""

    def subject(self) -> str:
        return "floor"


class FloorWithheld(EventData):
    """What an agent without the floor said in an event that people see, which comes next, without it. For the team."""

    type = "floor.withheld"
    of: str
    """The type of that event."""
    about: str
    """Its subject: `task:t-3`, `presence:hotels`."""
    said: dict[str, JsonValue]
    """What it would have held, by the names of its members."""

    def subject(self) -> str:
        return "withheld"


class MoveFloor(CommandData):
    """Say which agents may address users; what other agents say is kept, but for the team only. For users, services,
    and agents that have the floor."""

    do = "floor.move"
    concept: ClassVar[str] = "floor"
    speakers: Speakers | None = None
    """The agents that may; none of them: an empty list; absent: all."""


def decide(floor: Floor, command: Command) -> Decision:
    """Apply the rules to one command."""
    data = command.data
    assert isinstance(data, MoveFloor)
    if not has_floor(floor, command.actor):
        raise Forbidden(
            f"{command.actor.id!r} does not have the floor; {', '.join(sorted(floor or ())) or 'users'} may."
        )
    speakers = None if data.speakers is None else tuple(sorted(set(data.speakers)))
    if (None if speakers is None else frozenset(speakers)) == floor:
        raise NoChange("They have the floor already.")
    return decided(FloorMoved(speakers=speakers))


def has_floor(floor: Floor, actor: Actor) -> bool:
    """Whether what the actor says may reach users. The floor rules agents alone."""
    return floor is None or actor.kind != "agent" or actor.id in floor


def narrowed(audience: tuple[str, ...] | None, presence: Presence) -> tuple[str, ...]:
    """What is left of an audience without the people in it. A name that nobody has joined under might be a person's."""
    team = [name for name in audience or () if name == AGENTS or in_team(presence, name)]
    return tuple(team) or (AGENTS,)


def reaches_people(audience: tuple[str, ...] | None, presence: Presence) -> bool:
    """Whether an audience may have people in it."""
    return audience is None or any(name != AGENTS and not in_team(presence, name) for name in audience)


def covers(presence: Presence, wide: tuple[str, ...] | None, narrow: tuple[str, ...] | None) -> bool:
    """Whether all who are meant by the one audience are meant by the other, as far as is known who they are."""
    if wide is None or narrow is None:
        return wide is None
    known = [presence.get(name) for name in narrow if name not in wide]
    return all(each is not None and visible(wide, Viewer(each.id, each.kind)) for each in known)


def in_team(presence: Presence, name: str) -> bool:
    """Whether somebody is known not to be a person."""
    known = presence.get(name)
    return known is not None and known.kind != "user"


def evolve(floor: Floor, event: Event) -> Floor:
    """Fold one event."""
    data = event.data
    if isinstance(data, FloorMoved):
        return None if data.speakers is None else frozenset(data.speakers)
    return floor
