"""A page of the log: records, and the events they are, each decoded once for all projections that ask."""

from collections.abc import Sequence

from ..domain.envelope import decode
from ..domain.ids import Position
from ..domain.model import Event
from ..log.records import Record
from .meta import Meta, meta_of


class Page:
    """Records that follow on each other."""

    __slots__ = ("_events", "_metas", "records")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self._events: list[Event | None] = [None] * len(records)
        self._metas: list[Meta | None] = [None] * len(records)

    @property
    def first(self) -> Position:
        """The position of its first record."""
        return self.records[0].position

    @property
    def last(self) -> Position:
        """The position of its last record."""
        return self.records[-1].position

    def event(self, index: int) -> Event:
        """The event at this index. Raises Invalid when its type's model refuses the payload."""
        event = self._events[index]
        if event is None:
            record = self.records[index]
            event = decode(record.data, record.position, record.session, record.version)
            self._events[index] = event
        return event

    def meta(self, index: int) -> Meta:
        """Its envelope, for the key of its session."""
        meta = self._metas[index]
        if meta is None:
            event = self.event(index)
            meta = self._metas[index] = meta_of(event, event.session)
        return meta
