"""A page of the log: records, and the events they are, each decoded once for all projections that ask."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence, Sized
from typing import NamedTuple

from ...domain.ids import Position, SessionId
from ...domain.model import EventData
from ...log.lineage import FORKED
from ...log.records import Record
from ..authoring.meta import Meta, read


class SessionSlice(NamedTuple):
    """What of a session is in a part of the log: the version of its first event there, its last one, and how many."""

    first: int
    last: Record
    number: int

    def crosses(self, often: int) -> bool:
        """Whether it has come past a multiple of so many versions, each of which comes after the one before it."""
        is_dense = self.number == self.last.version - self.first + 1
        return is_dense and self.last.version // often > (self.first - 1) // often

    def followed_by(self, more: "SessionSlice") -> "SessionSlice":
        """The same with what comes next."""
        return SessionSlice(self.first, more.last, self.number + more.number)


class DecodedPage:
    """Records that follow on each other. While there are several `readers` what one has decoded is kept for the others;
    otherwise nothing is, so that memory is used again at once."""

    __slots__ = ("_by_type", "_decoded", "_readers", "_sessions", "bytes", "forks", "records")

    def __init__(self, records: Sequence[Record], readers: Sized = ()) -> None:
        self.records = records
        self.forks = [record for record in records if record.type == FORKED]
        """The events with which forks begin, if they were not imported as what others wrote."""
        self.bytes = sum([len(record.data) for record in records])
        """Of its records, as they are stored."""
        self._readers = readers
        self._by_type: dict[str, list[int]] = {}
        self._sessions: dict[SessionId, SessionSlice] | None = None
        self._decoded: list[tuple[EventData, Meta] | None] = [None] * len(records)

    @property
    def first(self) -> Position:
        """The position of its first record."""
        return self.records[0].position

    @property
    def last(self) -> Position:
        """The position of its last record."""
        return self.records[-1].position

    def indexes(self, start: int, end: int, is_wanted: Callable[[str], object]) -> list[int]:
        """Where the events from one index to another are whose types are wanted; asked once for each type."""
        if not self._by_type:
            for index, record in enumerate(self.records):
                self._by_type.setdefault(record.type, []).append(index)
        found = list[int]()
        for type, every in self._by_type.items():
            if is_wanted(type):
                found += every[bisect_left(every, start) : bisect_left(every, end)]
        found.sort()
        return found

    def sessions(self, start: int, end: int) -> dict[SessionId, SessionSlice]:
        """What of each session lies from one index to another."""
        if end - start < len(self.records):
            return _sessions(self.records[start:end])
        if self._sessions is None:
            self._sessions = _sessions(self.records)
        return self._sessions

    def event(self, index: int) -> tuple[EventData, Meta]:
        """The event at this index, its envelope for the key of its session. Raises Invalid when its type's model
        refuses the payload."""
        found = self._decoded[index]
        if found is None:
            found = read(self.records[index])
            if len(self._readers) > 1:
                self._decoded[index] = found
        return found


def _sessions(records: Sequence[Record]) -> dict[SessionId, SessionSlice]:
    firsts, lasts = {record.session: record.version for record in reversed(records)}, dict[SessionId, Record]()
    numbers = Counter([record.session for record in records])
    for record in records:
        lasts[record.session] = record
    return {session: SessionSlice(firsts[session], last, numbers[session]) for session, last in lasts.items()}
