"""Outlines of sessions as they were: what the page of a session at a moment shows, for much less than the whole state.

Most events of a session are about messages and calls of tools that have ended by any later moment, and no page shows
those. So what is about a message or a call is put aside unread, and dropped when that ends; only what is still open at
the moment is folded, and all that is about something else. An outline is a `State` without messages and calls that are
over; it is for reading, and nothing is decided by it.

What was put aside at some versions on the way is kept, so that the next question goes on from the nearest of them.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import NamedTuple

from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessagePosted, MessageStarted
from ...domain.concepts.tools import ToolAbandoned, ToolCalled, ToolReturned
from ...domain.ids import SessionId, Version
from ...domain.state import State
from ..lineage import Lineage
from ..paging import session_pages
from ..records import Record
from ..single_flight import SingleFlight
from ..weighted_cache import WeightedCache
from .folding import FOLDED_AT_ONCE, fold_on

KEPT_EVERY_EVENTS = 1_000
"""Events between two places that are kept, while little is open …"""
_MUCH_OPEN = 100
"""… and twice, three times as many for each so many that are, for a place notes each of them."""
MOST_BYTES = 80 * 2**20
"""Memory that what is kept of all sessions takes, about. An event may be a megabyte, and a session have many open."""
_SESSION_BYTES, _EVENT_BYTES, _NOTE_BYTES, _PIECE_BYTES = 2_000, 200, 200, 8
"""What is counted for a session, for an event besides its payload, for each message or call that a place notes as open,
and for each event that it notes of one."""
FOLDED_TOGETHER = 2
"""Sessions that are folded at the same time, so that a short one need not wait for a long one."""
_BEGIN = frozenset({MessageStarted.type, ToolCalled.type})
_END = frozenset(
    {MessagePosted.type, MessageCompleted.type, MessageAborted.type, ToolReturned.type, ToolAbandoned.type}
)
_ASIDE = ("message.", "tool.")


class _Place(NamedTuple):
    """How far a session is folded. `open`: by subject, the events about what is open, of which so many count; others
    that go on from here may have added more."""

    version: int
    state: State
    open: dict[str, tuple[list[Record], int]]
    folded: int
    """Bytes of the events that were folded on the way here."""

    def noted_beyond(self, near: "_Place") -> int:
        """Bytes that it takes to note what is open, where one that is near and before it notes a part of that."""
        size = 0
        for subject, (records, number) in self.open.items():
            others, shared = near.open.get(subject, ([], 0))
            if not shared or others[0].version != records[0].version:
                shared = 0
            size += _NOTE_BYTES + _PIECE_BYTES * number + _size(records[shared:number])
        return size


class _Outline:
    """One that is being folded on from a place."""

    def __init__(self, place: _Place) -> None:
        self.version = place.version
        self._state = place.state
        self._open = {subject: records[:number] for subject, (records, number) in place.open.items()}
        self._folded = place.folded

    @property
    def open(self) -> int:
        """How many messages and calls are open."""
        return len(self._open)

    async def fold(self, page: Sequence[Record]) -> None:
        """Fold some more events. Raises LogUnreadable."""
        others = []
        for record in page:
            if record.type.startswith(_ASIDE):
                self._put_aside(record)
            else:
                others.append(record)
        for first in range(0, len(others), FOLDED_AT_ONCE):
            self._state = fold_on(self._state, others[first : first + FOLDED_AT_ONCE])
            await asyncio.sleep(0)  # a long session would hold the loop for seconds
        await asyncio.sleep(0)  # also where nothing was folded
        self._folded += _size(others)
        self.version = page[-1].version

    async def state(self) -> State:
        """What there is now, with all that is open."""
        open = sorted([record for records in self._open.values() for record in records], key=_version)
        state = self._state
        for first in range(0, len(open), FOLDED_AT_ONCE):
            state = fold_on(state, open[first : first + FOLDED_AT_ONCE])
            await asyncio.sleep(0)
        return state._replace(version=Version(self.version))

    def place(self) -> _Place:
        """How far it has come."""
        open = {subject: (records, len(records)) for subject, records in self._open.items()}
        return _Place(self.version, self._state, open, self._folded)

    def _put_aside(self, record: Record) -> None:
        if record.type in _END:
            self._open.pop(record.subject, None)
        elif record.type in _BEGIN:
            self._open[record.subject] = [record]
        elif record.subject in self._open:  # what comes after the end, as it may, says nothing
            self._open[record.subject].append(record)


class _Places:
    """Those that are kept of one session, by version."""

    def __init__(self, session: SessionId) -> None:
        self._known: dict[int, _Place] = {0: _Place(0, State(session), {}, _SESSION_BYTES)}
        self._versions = [0]
        self._noted = 0
        """Bytes that it takes them to note what is open."""
        self.last: _Place | None = None
        """That which was asked for last."""

    def before(self, version: int) -> _Place:
        """The nearest at a version or before it."""
        found = self._kept_before(version)
        return self.last if self.last is not None and found.version <= self.last.version <= version else found

    def keep(self, outline: _Outline) -> None:
        """Keep where an outline is, unless something near is kept."""
        near = self._kept_before(outline.version)
        if outline.version - near.version >= KEPT_EVERY_EVENTS * (1 + outline.open // _MUCH_OPEN):
            place = self._known[outline.version] = outline.place()
            self._noted += place.noted_beyond(near)
            insort(self._versions, outline.version)

    @property
    def bytes(self) -> int:
        """What all of it takes, about."""
        newest = self._known[self._versions[-1]]
        if self.last is None:
            return newest.folded + self._noted
        near = self._kept_before(self.last.version)
        return max(newest.folded, self.last.folded) + self._noted + self.last.noted_beyond(near)

    def _kept_before(self, version: int) -> _Place:
        return self._known[self._versions[bisect_right(self._versions, version) - 1]]


class Outlines:
    """Outlines of sessions at any version."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._places = WeightedCache[SessionId, _Places](MOST_BYTES)
        self._flights = SingleFlight[tuple[SessionId, Version], State]()
        self._folding = asyncio.Semaphore(FOLDED_TOGETHER)

    async def at(self, session: SessionId, version: Version) -> State:
        """The session at a version, or at its end if that comes first. Raises LogUnreadable."""
        return await self._flights.do((session, version), lambda: self._fold(session, version))

    def forget(self, session: SessionId) -> None:
        """Drop what is known of a session, because its history may have changed."""
        self._places.pop(session)

    async def _fold(self, session: SessionId, version: Version) -> State:
        async with self._folding:
            places = self._places.use(session)
            if places is None:
                places = _Places(session)
                self._places.put(session, places, 0)
            outline = _Outline(places.before(version))
            try:
                async for page in session_pages(self._lineage, session, outline.version, version):
                    await outline.fold(page)
                    places.keep(outline)
                places.last = outline.place()
            finally:  # what was kept counts, also when nobody waits for the rest any more
                if self._places.get(session) is places:  # or it was dropped meanwhile, because its history changed
                    self._places.put(session, places, places.bytes)
            return await outline.state()


def _version(record: Record) -> int:
    return record.version


def _size(records: Sequence[Record]) -> int:
    return sum([_EVENT_BYTES + len(record.data) for record in records])
