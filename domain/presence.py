"""Presence: who takes part, and what each is doing.

A participant joins, says what it is doing, and leaves. Transitions are events; heartbeats are not.
"""

from typing import Annotated, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import JsonValue, StringConstraints

from .errors import Conflict, NoChange
from .ids import ParticipantId, Version
from .model import Command, CommandData, Decision, Event, EventData, Kind, decided

Status = Literal["idle", "thinking", "working", "waiting-for-tool", "waiting-for-human", "blocked"]
Activity = Annotated[str, StringConstraints(max_length=200)]
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Reason = Annotated[str, StringConstraints(max_length=2_000)]


class _PresenceEvent(EventData):
    participant: ParticipantId
    """Who: always the actor."""

    def subject(self) -> str:
        return f"presence:{self.participant}"


class PresenceJoined(_PresenceEvent):
    """A participant is here."""

    type = "presence.joined"
    kind: Kind
    """What the participant is."""
    name: DisplayName | None = None
    """What people call it."""
    about: dict[str, JsonValue] | None = None
    """The application's own: model, version, avatar."""


class PresenceStatus(_PresenceEvent):
    """A participant does something else now; `activity` is one line for people."""

    type = "presence.status"
    status: Status
    """What it does."""
    activity: Activity | None = None
    """One line for people."""


class PresenceLeft(_PresenceEvent):
    """A participant went."""

    type = "presence.left"
    reason: Reason | None = None
    """For people."""


class _PresenceCommand(CommandData):
    concept: ClassVar[str] = "presence"


class Join(_PresenceCommand):
    """Take part. `about` is free for the application: model, version, avatar."""

    do = "presence.join"
    name: DisplayName | None = None
    """What people call you."""
    about: dict[str, JsonValue] | None = None
    """The application's own: model, version, avatar."""


class ReportStatus(_PresenceCommand):
    """Say what you are doing. Refused with `no_change` when that is known."""

    do = "presence.status"
    status: Status
    """What you do."""
    activity: Activity | None = None
    """One line for people; absent: none."""


class Leave(_PresenceCommand):
    """Go."""

    do = "presence.leave"
    reason: Reason | None = None
    """For people."""


class Participant(NamedTuple):
    """One who takes part; `since` is the version of the last transition."""

    id: ParticipantId
    kind: Kind
    name: str | None
    about: dict[str, JsonValue] | None
    present: bool
    status: Status
    activity: str | None
    since: Version


Presence = Map[str, Participant]
EMPTY: Presence = Map()


def decide(presence: Presence, command: Command) -> Decision:
    """Apply the rules to one command; the participant is always the command's actor."""
    actor = command.actor
    known = presence.get(actor.id)
    here = known if known is not None and known.present else None
    match command.data:
        case Join() as data:
            if here is not None:
                raise NoChange(f"{actor.id!r} is here already.")
            return decided(PresenceJoined(participant=actor.id, kind=actor.kind, name=data.name, about=data.about))
        case ReportStatus() as data:
            if here is None:
                raise Conflict(f"{actor.id!r} is not here; send presence.join first.")
            if (here.status, here.activity) == (data.status, data.activity):
                raise NoChange("That status is known.")
            return decided(PresenceStatus(participant=actor.id, status=data.status, activity=data.activity))
        case Leave() as data:
            if here is None:
                raise NoChange(f"{actor.id!r} is not here.")
            return decided(PresenceLeft(participant=actor.id, reason=data.reason))
    raise NotImplementedError(command.data.do)


def evolve(presence: Presence, event: Event) -> Presence:
    """Fold one event."""
    match event.data:
        case PresenceJoined() as data:
            joined = Participant(data.participant, data.kind, data.name, data.about, True, "idle", None, event.version)
            return presence.set(data.participant, joined)
        case PresenceStatus() as data:
            now = presence[data.participant]._replace(status=data.status, activity=data.activity, since=event.version)
            return presence.set(data.participant, now)
        case PresenceLeft() as data:
            gone = presence[data.participant]._replace(present=False, status="idle", activity=None, since=event.version)
            return presence.set(data.participant, gone)
    return presence
