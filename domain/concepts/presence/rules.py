"""Who may join, say what it does, and leave; and when somebody is lost."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from ...errors import Conflict, NoChange
from ...model import Actor, Command, Deadline, Decision, decided, instance_of, timer_id
from .commands import Join, Leave, LoseParticipant, ReportStatus
from .events import PresenceJoined, PresenceLeft, PresenceLost, PresenceStatus
from .participants import ANONYMOUS, Participant, Presence


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


def deadlines(presence: Presence) -> Iterator[Deadline]:
    """When the leases of those who are here run out, if nothing comes from them."""
    for each in presence.present():
        for key, instance in each.instances.items():
            when = instance.at + timedelta(seconds=instance.lease)
            lose = LoseParticipant(participant=each.id, joined=instance.joined)
            timer = timer_id("lost", each.id, instance.joined)
            yield Deadline(when, timer, lose, instance_of(each.id, key or None), instance.lease)
