"""A page of the log: records, and the events they are, each decoded once for all projections that ask."""

from collections.abc import Sequence

from ..domain.envelope import decode
from ..domain.ids import Position
from ..domain.model import Event
from ..log.lineage import FORKED
from ..log.records import Record
from .meta import Meta, meta_of


class Page:
    """Records that follow on each other."""

    __slots__ = ("_decoded", "forks", "records")

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.forks = [record for record in records if record.type == FORKED]
        """The events with which forks begin, if they were not imported as what others wrote."""
        self._decoded: list[tuple[Event, Meta] | None] = [None] * len(records)

    @property
    def first(self) -> Position:
        """The position of its first record."""
        return self.records[0].position

    @property
    def last(self) -> Position:
        """The position of its last record."""
        return self.records[-1].position

    def event(self, index: int) -> tuple[Event, Meta]:
        """The event at this index, and its envelope for the key of its session. Raises Invalid when its type's model
        refuses the payload."""
        found = self._decoded[index]
        if found is None:
            record = self.records[index]
            event = decode(record.data, record.position, record.session, record.version)
            found = self._decoded[index] = event, meta_of(event, event.session)
        return found
