"""One event that wants to be imported: where it comes from, what it is, and the bytes that the log will keep."""

from typing import NamedTuple

import orjson

from ...domain.envelope import microseconds
from ...domain.model import Event
from ...log.records import Draft, Record


class ImportEntry(NamedTuple):
    """`origin` names its place for people (file and line)."""

    origin: str
    event: Event
    stored: bytes

    def is_at(self, record: Record) -> bool:
        """Whether `record`, from the same place of the log, is this event."""
        return record.data == self.stored or bool(orjson.loads(record.data) == orjson.loads(self.stored))

    def draft(self, key: str | None) -> Draft:
        """The event as the log takes it in."""
        event = self.event
        return Draft(event.type, event.data.subject(), self.stored, microseconds(event.time), key, event.data.also())
