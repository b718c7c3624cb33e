"""Presence: who takes part, and what each is doing.

    joined → status*, stalled ⇄ recovered → left | lost

A participant joins, says what it is doing, and leaves; or nothing comes from it for its lease, and it is lost.
Transitions are events; heartbeats are not: the gateway keeps in mind when it last heard of whom. Who holds a task and
shows nothing for it is stalled (`stalls`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import Field, JsonValue, Strict, StringConstraints

from ..errors import Conflict, NoChange
from ..ids import Name, ParticipantId, TaskId, Version
from ..model import (
    Actor,
    Command,
    CommandData,
    Count,
    Deadline,
    Decision,
    Event,
    EventData,
    Kind,
    Reason,
    decided,
    timer_id,
)
from ..timestamps import Time

Status = Literal["idle", "thinking", "working", "waiting-for-tool", "waiting-for-human", "blocked"]
Activity = Annotated[str, StringConstraints(max_length=200)]
Lease = Annotated[float, Field(ge=1, le=3_600, strict=True)]
LEASE = 15.0
WAITING = frozenset({"waiting-for-tool", "waiting-for-human"})
"""Statuses in which nothing is expected of a participant."""
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class _PresenceEvent(EventData):
    participant: ParticipantId
    """Who."""

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
    lease: Lease = LEASE
    """Seconds of silence after which it is lost."""
    new_run: bool | None = None
    """Whether it began a new run; absent: no, or it comes back."""
    run: Name | None = None
    """Which run began, where it has a name."""


class PresenceStatus(_PresenceEvent):
    """A participant does something else now; `activity` is one line for people."""

    type = "presence.status"
    status: Status
    """What it does."""
    activity: Activity | None = None
    """One line for people."""
    until: Time | None = None
    """Until when it expects to wait."""


class PresenceStalled(_PresenceEvent):
    """A participant holds a task and shows nothing for it, without having said that it waits."""

    type = "presence.stalled"
    task: TaskId
    """The task."""
    after: float
    """Seconds in which nothing came: the task's `stall_after`."""
    reason: Reason | None = None
    """For people."""


class PresenceRecovered(_PresenceEvent):
    """A stalled participant has shown something again, or its task is over."""

    type = "presence.recovered"
    task: TaskId
    """The task that it had stalled in."""
    reason: Reason | None = None
    """For people."""


class PresenceLost(_PresenceEvent):
    """Nothing came from a participant for its lease. What it held and had open is taken back in the same commit."""

    type = "presence.lost"
    after: float
    """Seconds in which nothing came: the lease."""
    reason: Reason | None = None
    """For people."""


class PresenceLeft(_PresenceEvent):
    """A participant went."""

    type = "presence.left"
    reason: Reason | None = None
    """For people."""


class _PresenceCommand(CommandData):
    concept: ClassVar[str] = "presence"


class Join(_PresenceCommand):
    """Take part. `about` is free for the application: model, version, avatar. Refused with `no_change` when you are
    here, unless you begin a new run."""

    do = "presence.join"
    name: DisplayName | None = None
    """What people call you."""
    about: dict[str, JsonValue] | None = None
    """The application's own: model, version, avatar."""
    lease: Lease = LEASE
    """Seconds of silence after which you are lost. Everything that comes from you counts; send a heartbeat at least
    every third of it."""
    new_run: Annotated[bool, Strict()] = False
    """Whether you start, and do not come back: what an earlier run of you has left (presence, tasks, open messages and
    questions) ends, and a cancel that it did not honour counts as honoured."""


class ReportStatus(_PresenceCommand):
    """Say what you are doing. Refused with `no_change` when that is known. Who waits for a tool or a human is not taken
    for stalled."""

    do = "presence.status"
    status: Status
    """What you do."""
    activity: Activity | None = None
    """One line for people; absent: none."""
    until: Time | None = None
    """Until when you expect to wait; absent: there is no telling."""


class Leave(_PresenceCommand):
    """Go."""

    do = "presence.leave"
    reason: Reason | None = None
    """For people."""


class LoseParticipant(_PresenceCommand):
    """Record that nothing came from a participant for its lease. Done by the gateway's clock."""

    do = "presence.lose"
    participant: ParticipantId
    """Who."""
    joined: Count
    """The version in which it had joined."""


class Participant(NamedTuple):
    """One who takes part. `since` is the version of the last transition, `joined` that in which it came; `at` is when
    it last showed itself; `stalled` are the tasks for which it shows nothing, each with the version that says so;
    `run` is the one that began last."""

    id: ParticipantId
    kind: Kind
    name: str | None
    about: dict[str, JsonValue] | None
    present: bool
    status: Status
    activity: str | None
    since: Version
    at: datetime
    joined: Version
    lease: float = LEASE
    until: datetime | None = None
    stalled: dict[TaskId, Version] = {}
    run: str | None = None


Presence = Map[str, Participant]
EMPTY: Presence = Map()


def decide(presence: Presence, command: Command) -> Decision:
    """Apply the rules to one command."""
    actor = command.actor
    known = presence.get(actor.id)
    here = known if known is not None and known.present else None
    match command.data:
        case Join() as data:
            return _join(actor, command.run, here, data)
        case ReportStatus() as data:
            if here is None:
                raise Conflict(f"{actor.id!r} is not here; send presence.join first.")
            if (here.status, here.activity, here.until) == (data.status, data.activity, data.until):
                raise NoChange("That status is known.")
            said = PresenceStatus(participant=actor.id, status=data.status, activity=data.activity, until=data.until)
            return decided(said)
        case Leave() as data:
            if here is None:
                raise NoChange(f"{actor.id!r} is not here.")
            return decided(PresenceLeft(participant=actor.id, reason=data.reason))
        case LoseParticipant() as data:
            lost = presence.get(data.participant)
            if lost is None or not lost.present or lost.joined != data.joined:
                raise NoChange(f"{data.participant!r} has left, or come back.")
            reason = f"Nothing came from {lost.id} for {lost.lease:g} seconds."
            return decided(PresenceLost(participant=lost.id, after=lost.lease, reason=reason))
    raise NotImplementedError(command.data.do)


def _join(actor: Actor, run: str | None, here: Participant | None, data: Join) -> Decision:
    if here is not None and not data.new_run:
        raise NoChange(f"{actor.id!r} is here already.")
    joined = PresenceJoined(
        participant=actor.id,
        kind=actor.kind,
        name=data.name,
        about=data.about,
        lease=data.lease,
        new_run=data.new_run or None,
        run=run if data.new_run else None,
    )
    if here is None:
        return decided(joined)
    return decided(PresenceLeft(participant=actor.id, reason=f"A new run of {actor.id} begins."), joined)


def evolve(presence: Presence, event: Event) -> Presence:
    """Fold one event."""
    match event.data:
        case PresenceJoined() as data:
            joined = Participant(
                data.participant,
                data.kind,
                data.name,
                data.about,
                True,
                "idle",
                None,
                event.version,
                event.time,
                event.version,
                data.lease,
                run=data.run if data.new_run else _run(presence, data.participant),
            )
            return presence.set(data.participant, joined)
        case PresenceStatus() as data:
            said = {"status": data.status, "activity": data.activity, "until": data.until}
            return _moved(presence, event, data, **said, at=event.time)
        case PresenceStalled() as data:
            stalled = {**presence[data.participant].stalled, data.task: event.version}
            return _moved(presence, event, data, stalled=stalled)
        case PresenceRecovered() as data:
            stalled = {id: at for id, at in presence[data.participant].stalled.items() if id != data.task}
            return _moved(presence, event, data, stalled=stalled, at=event.time)
        case PresenceLeft() | PresenceLost() as data:
            gone = {"present": False, "status": "idle", "activity": None, "until": None, "stalled": {}}
            return _moved(presence, event, data, **gone)
    return presence


def _run(presence: Presence, id: ParticipantId) -> str | None:
    known = presence.get(id)
    return None if known is None else known.run


def _moved(presence: Presence, event: Event, data: _PresenceEvent, **members: Any) -> Presence:
    participant = presence[data.participant]._replace(since=event.version, **members)
    return presence.set(data.participant, participant)


def deadlines(presence: Presence) -> Iterator[Deadline]:
    """When the leases of those who are here run out, if nothing comes from them."""
    for each in presence.values():
        if each.present:
            when = each.at + timedelta(seconds=each.lease)
            lose = LoseParticipant(participant=each.id, joined=each.joined)
            yield Deadline(when, timer_id("lost", each.id, each.joined), lose, each.id, each.lease)
