"""One event that wants to be imported: where it comes from, what it is, and the bytes that the log will keep."""

from typing import NamedTuple

import orjson

from ...domain.envelope import microseconds
from ...domain.model import Event
from ...log.records import Draft, Record


class ImportEntry(NamedTuple):
    """`origin` names its place for people (file and line). `exact`: a repeat must have the same content, not only the
    same id."""

    origin: str
    event: Event
    stored: bytes
    exact: bool = True

    def is_at(self, record: Record) -> bool:
        """Whether `record`, from the same place of the log, is this event."""
        if record.data == self.stored:
            return True
        theirs = orjson.loads(record.data)
        return bool(theirs["id"] == self.event.id) and (not self.exact or theirs == orjson.loads(self.stored))

    def draft(self, key: str | None) -> Draft:
        """The event as the log takes it in."""
        event = self.event
        return Draft(event.type, event.data.subject(), self.stored, microseconds(event.time), key, event.data.also())
