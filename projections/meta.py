"""What a handler may know of an event besides its payload."""

from datetime import datetime
from typing import NamedTuple

from ..domain.ids import CommandId, EventId, ParticipantId, Position, SessionId, Version
from ..domain.model import Event, EventData


class Meta(NamedTuple):
    """An event's envelope, and the `key` of the view for which it is folded just now."""

    position: Position
    session: SessionId
    version: Version
    id: EventId
    type: str
    time: datetime
    actor: ParticipantId
    task: str | None
    cause: CommandId | None
    audience: tuple[str, ...] | None
    key: str

    def event(self, data: EventData) -> Event:
        """The event again, for folds that are written for events."""
        position, session, version, id, type, time, actor, task, cause, audience, _ = self
        return Event(position, session, version, id, type, time, actor, data, task, cause, audience)


def meta_of(event: Event, key: str) -> Meta:
    """The envelope of `event`, folded for `key`."""
    position, session, version, id, type, time, actor, _, task, cause, audience = event
    return Meta(position, session, version, id, type, time, actor, task, cause, audience, key)
