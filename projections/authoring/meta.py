"""What a handler may know of an event besides its payload."""

from datetime import datetime
from typing import NamedTuple

import orjson

from ...domain.audience import readers
from ...domain.envelope import contents
from ...domain.ids import CommandId, EventId, ParticipantId, Position, SessionId, Version
from ...domain.model import Event, EventData
from ...domain.unchecked import new_unchecked
from ...log.records import Record


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

    @property
    def readers(self) -> tuple[str, ...] | None:
        """Who may see the event; None: everyone. What `visible` judges by, and what a view keeps for `shown`."""
        return readers(self.type, self.audience, self.actor)

    def event(self, data: EventData) -> Event:
        """The event again, for folds that are written for events."""
        position, session, version, id, type, time, actor, task, cause, audience, _ = self
        return Event(position, session, version, id, type, time, actor, data, task, cause, audience)


def meta_of(event: Event, key: str) -> Meta:
    """The envelope of `event`, folded for `key`."""
    position, session, version, id, type, time, actor, _, task, cause, audience = event
    return Meta(position, session, version, id, type, time, actor, task, cause, audience, key)


def read(record: Record) -> tuple[EventData, Meta]:
    """The payload of a stored event and its envelope, for the key of its session. Raises Invalid when its type's model
    refuses the payload."""
    position, session, version, _, _, stored, _, _ = record
    id, type, time, actor, data, task, cause, audience = contents(orjson.loads(stored))
    members = (position, session, version, id, type, time, actor, task, cause, audience, session)
    return data, new_unchecked(Meta, members)
