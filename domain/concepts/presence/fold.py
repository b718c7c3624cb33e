"""What becomes of a participant by each event."""

from typing import Any

from ...model import Event
from .events import (
    PresenceEvent,
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceRecovered,
    PresenceStalled,
    PresenceStatus,
)
from .participants import ANONYMOUS, Instance, Participant, Presence


def evolve(presence: Presence, event: Event) -> Presence:
    """Fold one event."""
    match event.data:
        case PresenceJoined() as data:
            return presence.put(_joined(presence.get(data.participant), data, event))
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


def _moved(presence: Presence, event: Event, data: PresenceEvent, **members: Any) -> Presence:
    participant = presence[data.participant]._replace(since=event.version, **members)
    return presence.put(participant)
