"""A topic: what can be followed (one session, or the whole log), its newest events, and the cursors on it.

Places in a topic are versions (a session) or positions (the log). The ring holds the newest entries without a hole;
what is older is in the storage. `flushed` is the place up to which live subscribers have been served: it is the place
of all of them, so none has to store its own. `cuts` are the places, in order, at which a page of the storage was full
of bytes before it was full of events.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from ...domain.audience import Viewer
from ...domain.ids import Position, SessionId, Version
from ...log.log import Log
from ...log.records import ANYTHING, Record
from .event_slice import EventSlice, RingEntry
from .log_cursor import write_cursor
from .resume_point import write_resume_point
from .subscriber import GroupKey, SubscriberSink

RING_ENTRIES = 1_024
RING_BYTES = 1_048_576


class Cursor:
    """One subscriber's place in one topic. `live`: it is with its group at the topic's flushed place; otherwise at
    `at`."""

    __slots__ = ("at", "caught_up", "ended", "key", "live", "queued", "sink", "topic", "viewer")

    def __init__(self, topic: "Topic", key: GroupKey, viewer: Viewer, sink: SubscriberSink, at: int) -> None:
        self.topic = topic
        self.key = key
        self.viewer = viewer
        self.sink = sink
        self.at = at
        self.live = False
        self.caught_up = False
        self.ended = False
        self.queued = False

    @property
    def place(self) -> int:
        """Up to where events have been written to the subscriber."""
        return self.topic.flushed if self.live else self.at

    def join(self) -> None:
        """Become live, with the group."""
        self.live = True
        self.topic.groups.setdefault(self.key, {})[self] = None

    def leave(self, at: int) -> None:
        """Be live no more, from the place `at` on."""
        if self.live:
            self.live = False
            self.at = at
            group = self.topic.groups[self.key]
            del group[self]
            if not group:
                del self.topic.groups[self.key]


class Topic:
    """Base of the two kinds. Everything in it happens on the loop, without waiting."""

    session: SessionId | None = None

    def __init__(self, log: Log) -> None:
        self.log = log
        self.last = 0
        self.flushed = 0
        self.flushing = False
        self.groups: dict[GroupKey, dict[Cursor, None]] = {}
        self.joining: list[Cursor] = []
        self.followers = 0
        self.cuts: list[int] = []
        self._ring: deque[RingEntry] = deque()
        self._bytes = 0

    def place(self, record: Record) -> int:
        """The record's place in this topic."""
        raise NotImplementedError

    def resume_place(self, place: int) -> str:
        """The place as clients give it back to resume from it: a resume point of the session, or a cursor."""
        raise NotImplementedError

    def shown_place(self, place: int) -> int | str:
        """The place as clients are told it: a version, or a cursor."""
        raise NotImplementedError

    def resume_member(self, place: int) -> dict[str, str]:
        """What to say beside a shown place, where one cannot resume from that itself."""
        return {}

    def cursors(self, wires: Sequence[bytes]) -> bytes:
        """Where clients resume behind each of these envelopes, as JSON; nothing where the envelope says it itself."""
        return b""

    async def head(self) -> int:
        """The last place that has been published. The storage may hold more, committed and not published yet: a client
        that saw it could not resume from it at another gateway."""
        raise NotImplementedError

    async def page(self, after: int, limit: int, *, records: bool) -> EventSlice:
        """Events after a place, from the storage; with their records if these are needed."""
        raise NotImplementedError

    def slice_of(self, records: Sequence[Record]) -> EventSlice:
        """These records as a slice."""
        return EventSlice([self.place(record) for record in records], [record.wire() for record in records], records)

    def start_at(self, head: int) -> None:
        """Begin at the head, before anyone follows. It may be ahead of what was published."""
        if head > self.last:
            # The ring must end at `last` without a hole. What is published up to `head` later is ignored by `push`.
            self.last = head
            self._ring.clear()
            self._bytes = 0
        self.flushed = self.last

    def push(self, entry: RingEntry) -> None:
        """Append the next entry. Those up to `last` are in the storage and not needed here."""
        place = self.place(entry.record)
        if place <= self.last:
            return
        self._ring.append(entry)
        self._bytes += len(entry.record.data)
        self.last = place
        while len(self._ring) > RING_ENTRIES or self._bytes > RING_BYTES:
            # Over the bound rather than with a hole in front of the live subscribers, who read on from `flushed`.
            if self.place(self._ring[0].record) > self.flushed:
                break
            self._bytes -= len(self._ring.popleft().record.data)

    @property
    def ring_start(self) -> int:
        """The place before the first that the ring holds."""
        return self.place(self._ring[0].record) - 1 if self._ring else self.last

    def newer(self, after: int, upto: int) -> EventSlice:
        """The ring's entries with after < place ≤ upto; `after` must not be before `ring_start`."""
        count, behind = upto - after, self.last - upto
        if behind < len(self._ring) // 2:
            entries = list(islice(reversed(self._ring), behind, behind + count))[::-1]
        else:
            start = after - self.ring_start
            entries = list(islice(self._ring, start, start + count))
        records = [entry.record for entry in entries]
        return EventSlice([self.place(record) for record in records], [entry.wire for entry in entries], records)


class SessionTopic(Topic):
    """One session; places are versions."""

    def __init__(self, log: Log, session: SessionId) -> None:
        super().__init__(log)
        self.session = session

    def place(self, record: Record) -> int:
        """The version."""
        return record.version

    def resume_place(self, place: int) -> str:
        """A resume point."""
        return write_resume_point(self.log.epoch, place)

    def shown_place(self, place: int) -> int:
        """The version."""
        return place

    def resume_member(self, place: int) -> dict[str, str]:
        """The resume point."""
        return {"resume": self.resume_place(place)}

    async def head(self) -> int:
        """The session's version. A session that is being written is in memory, as new as what was published of it."""
        assert self.session is not None
        state = self.log.cached_state(self.session)
        if state is not None:
            return state.version
        key = (self.session, ANYTHING)
        return (await self.log.engine.read_heads([key])).get(key, Version(0))

    async def page(self, after: int, limit: int, *, records: bool) -> EventSlice:
        """The session's events."""
        assert self.session is not None
        if records:
            return self.slice_of(await self.log.read_session(self.session, after, limit))
        return EventSlice(*await self.log.read_wires(self.session, after, limit))


class LogTopic(Topic):
    """The whole log; places are positions."""

    def place(self, record: Record) -> int:
        """The position."""
        return record.position

    def resume_place(self, place: int) -> str:
        """A cursor, opaque to clients."""
        return write_cursor(self.log.epoch, place)

    shown_place = resume_place

    def cursors(self, wires: Sequence[bytes]) -> bytes:
        """A list of cursors: a consumer that takes events one by one cannot make those within a batch itself."""
        return b"[%s]" % b",".join([b'"%s"' % self.resume_place(_position(wire)).encode() for wire in wires])

    async def head(self) -> int:
        """The log's position."""
        return Position(self.log.position)

    async def page(self, after: int, limit: int, *, records: bool) -> EventSlice:
        """The log's events, always with their records."""
        return self.slice_of(await self.log.engine.read_log(after, limit))


def _position(wire: bytes) -> int:
    """An envelope begins with it, folded or not (`wire_template`)."""
    return int(wire[len(b'{"position":') : wire.index(b",")])
