"""Presence: who takes part, and what each is doing.

    joined → status*, stalled ⇄ recovered → left | lost

A participant joins, says what it is doing, and leaves; or nothing comes from it for its lease, and it is lost. It may
do so in several processes, or *runs*, at once: each is an *instance*, which joins, holds work and is lost by itself.
The participant is present while one of them is. A process that does not say which run it is counts as the anonymous
one.
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
    instance_of,
    timer_id,
)
from ..timestamps import Time

Status = Literal["idle", "thinking", "working", "waiting-for-tool", "waiting-for-human", "blocked"]
Activity = Annotated[str, StringConstraints(max_length=200)]
Lease = Annotated[float, Field(ge=1, le=3_600, strict=True)]
LEASE = 15.0
WAITING = frozenset({"waiting-for-tool", "waiting-for-human"})
"""Statuses in which nothing is expected of a participant."""
ANONYMOUS = ""
"""The key of the instance whose run has no name."""
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
    """Which run of it is here, where it has a name."""


class PresenceStatus(_PresenceEvent):
    """A participant does something else now; `activity` is one line for people."""

    type = "presence.status"
    status: Status
    """What it does."""
    activity: Activity | None = None
    """One line for people."""
    until: Time | None = None
    """Until when it expects to wait."""
    run: Name | None = None
    """Which run says so, where several are here and it has a name."""


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


class _PresenceEnded(_PresenceEvent):
    run: Name | None = None
    """Which run is gone, where others are still here and it has a name."""
    others: bool | None = None
    """Whether other runs of it are still here; absent: no."""


class PresenceLost(_PresenceEnded):
    """Nothing came from a participant, or from one run of it, for its lease. What it held and had open is taken back in
    the same commit."""

    type = "presence.lost"
    after: float
    """Seconds in which nothing came: the lease."""
    reason: Reason | None = None
    """For people."""


class PresenceLeft(_PresenceEnded):
    """A participant went, or one run of it."""

    type = "presence.left"
    reason: Reason | None = None
    """For people."""


class _PresenceCommand(CommandData):
    concept: ClassVar[str] = "presence"


class Join(_PresenceCommand):
    """Take part. `about` is free for the application: model, version, avatar. Refused with `no_change` when this run of
    you is here, unless it begins."""

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
    beside: Annotated[bool, Strict()] = False
    """With `new_run`: what other runs of you hold stays theirs, as long as they are heard of."""


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


class Instance(NamedTuple):
    """One run of a participant that is here: since the version `joined`, last showing itself `at`."""

    joined: Version
    lease: float
    at: datetime
    status: Status = "idle"
    activity: str | None = None
    until: datetime | None = None


class Participant(NamedTuple):
    """One who takes part. `since` is the version of the last transition, `joined` that in which it came; `at` is when
    it last showed itself; `stalled` are the tasks for which it shows nothing, each with the version that says so;
    `run` is the one that began last, `instances` the runs that are here, and `begun` the versions in which runs began.
    The status is what one of them said last."""

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
    instances: dict[str, Instance] = {}
    begun: dict[str, Version] = {}

    def instance(self, run: str | None) -> Instance | None:
        """The run if it is here, or else the one that may be it: the anonymous one, or, if it has no name, the
        newest."""
        key = self.key(run)
        return None if key is None else self.instances[key]

    def key(self, run: str | None) -> str | None:
        """The key of that."""
        for key in (run or ANONYMOUS, ANONYMOUS):
            if key in self.instances:
                return key
        return max(self.instances, key=self._joined, default=None) if run is None else None

    def _joined(self, key: str) -> Version:
        return self.instances[key].joined


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
            return _report(here, command, data)
        case Leave() as data:
            key = None if here is None else here.key(command.run)
            if here is None or key is None:
                raise NoChange(f"{actor.id!r} is not here.")
            # Who has no name for its run, and did not join without one, means all of the participant.
            whole = command.run is None and ANONYMOUS not in here.instances
            which = {} if whole else _which(here, key)
            return decided(PresenceLeft(participant=actor.id, reason=data.reason, **which))
        case LoseParticipant() as data:
            return _lose(presence.get(data.participant), data)
    raise NotImplementedError(command.data.do)


def _report(here: Participant | None, command: Command, data: ReportStatus) -> Decision:
    key = None if here is None else here.key(command.run)
    if here is None or key is None:
        raise Conflict(f"{command.actor.id!r} is not here; send presence.join first.")
    now = here.instances[key]
    if (now.status, now.activity, now.until) == (data.status, data.activity, data.until):
        raise NoChange("That status is known.")
    run = _which(here, key).get("run")
    said = PresenceStatus(participant=here.id, status=data.status, activity=data.activity, until=data.until, run=run)
    return decided(said)


def _which(here: Participant, key: str) -> dict[str, Any]:
    """Which instance an event speaks of; nothing when there is no other."""
    return {"run": key or None, "others": True} if len(here.instances) > 1 else {}


def _lose(known: Participant | None, data: LoseParticipant) -> Decision:
    instances = {} if known is None else known.instances
    key = next((key for key, each in instances.items() if each.joined == data.joined), None)
    if known is None or key is None:
        raise NoChange(f"{data.participant!r} has left, or come back.")
    after, which = instances[key].lease, _which(known, key)
    who = f"a run of {known.id}" if which else known.id
    reason = f"Nothing came from {who} for {after:g} seconds."
    return decided(PresenceLost(participant=known.id, after=after, reason=reason, **which))


def _join(actor: Actor, run: str | None, here: Participant | None, data: Join) -> Decision:
    key = run or ANONYMOUS
    again = here is not None and key in here.instances
    if again and not data.new_run:
        raise NoChange(f"{actor.id!r} is here already.")
    joined = PresenceJoined(
        participant=actor.id,
        kind=actor.kind,
        name=data.name,
        about=data.about,
        lease=data.lease,
        new_run=data.new_run or None,
        run=run,
    )
    if here is None or not data.new_run or (data.beside and not again):
        return decided(joined)
    which = _which(here, key) if data.beside else {}
    return decided(PresenceLeft(participant=actor.id, reason=f"A new run of {actor.id} begins.", **which), joined)


def evolve(presence: Presence, event: Event) -> Presence:
    """Fold one event."""
    match event.data:
        case PresenceJoined() as data:
            return presence.set(data.participant, _joined(presence.get(data.participant), data, event))
        case PresenceStatus() as data:
            said: dict[str, Any] = {"status": data.status, "activity": data.activity, "until": data.until}
            said["at"], known = event.time, presence[data.participant]
            key = known.key(data.run)
            now = {} if key is None else {key: known.instances[key]._replace(**said)}
            return _moved(presence, event, data, **said, instances={**known.instances, **now})
        case PresenceStalled() as data:
            stalled = {**presence[data.participant].stalled, data.task: event.version}
            return _moved(presence, event, data, stalled=stalled)
        case PresenceRecovered() as data:
            stalled = {id: at for id, at in presence[data.participant].stalled.items() if id != data.task}
            return _moved(presence, event, data, stalled=stalled, at=event.time)
        case PresenceLeft() | PresenceLost() as data:
            return _moved(presence, event, data, **_left(presence[data.participant], data))
    return presence


def _joined(known: Participant | None, data: PresenceJoined, event: Event) -> Participant:
    key, others, run = data.run or ANONYMOUS, {}, data.run
    begun = {} if known is None else known.begun
    if known is not None and known.present:
        others = {other: each for other, each in known.instances.items() if other != key}
    if data.new_run:
        begun = {**{other: at for other, at in begun.items() if other in others}, key: event.version}
    elif known is not None:
        run = known.run
    here = Participant(
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
        run=run,
        instances={**others, key: Instance(event.version, data.lease, event.time)},
        begun=begun,
    )
    if known is None or not others:
        return here
    now = {name: getattr(known, name) for name in ("status", "activity", "joined", "until", "stalled")}
    return here._replace(**now)


def _left(known: Participant, data: PresenceLeft | PresenceLost) -> dict[str, Any]:
    """What changes when it, or one run of it, is gone: the status is then what another said last."""
    gone = data.run or ANONYMOUS
    instances = {key: each for key, each in known.instances.items() if key != gone} if data.others else {}
    if not instances:
        idle = {"status": "idle", "activity": None, "until": None}
        return {"present": False, **idle, "stalled": {}, "instances": {}}
    last = max(instances.values(), key=lambda each: each.at)
    return {"status": last.status, "activity": last.activity, "until": last.until, "instances": instances}


def _moved(presence: Presence, event: Event, data: _PresenceEvent, **members: Any) -> Presence:
    participant = presence[data.participant]._replace(since=event.version, **members)
    return presence.set(data.participant, participant)


def deadlines(presence: Presence) -> Iterator[Deadline]:
    """When the leases of those who are here run out, if nothing comes from them."""
    for each in presence.values():
        for key, instance in each.instances.items():
            when = instance.at + timedelta(seconds=instance.lease)
            lose = LoseParticipant(participant=each.id, joined=instance.joined)
            timer = timer_id("lost", each.id, instance.joined)
            yield Deadline(when, timer, lose, instance_of(each.id, key or None), instance.lease)
