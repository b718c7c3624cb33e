"""Building frames: a run of consecutive events, cut to size, encoded once for all who get the same."""

from collections.abc import Iterator
from typing import NamedTuple

from ...domain.audience import Viewer, visible
from .cursor import Cursor, GroupKey
from .event_filter import Finished, read
from .event_slice import EventSlice
from .frame_cache import FrameCache
from .topic import Topic

MAX_FRAME = 64 * 1024
KEPT_BYTES = 64 * 2**20
"""Enough for a hundred sessions to which everyone returns at once, a thousand events behind."""
STRIDE = 1_000
"""A subscriber from whom everything is filtered is told where it stands whenever a multiple of this is passed."""


class Chunk(NamedTuple):
    """Bytes to write (or nothing), and the place where the subscriber stands afterwards."""

    to: int
    data: bytes | None


class Name(NamedTuple):
    """What chunks of the past bring one group's subscribers from `at` to `upto`, while these messages are finished."""

    topic: Topic
    key: GroupKey
    at: int
    upto: int
    finished: Finished


def cut(events: EventSlice) -> Iterator[EventSlice]:
    """Cut into runs of at most `MAX_FRAME` bytes, each of at least one event."""
    start = size = 0
    for number, more in enumerate(map(len, events.wires)):
        if size + more >= MAX_FRAME and number > start:
            yield events.part(start, number)
            start, size = number, 0
        size += more + 1
    if start < len(events):
        yield events.part(start, len(events)) if start else events


def encode(topic: Topic, key: GroupKey, viewer: Viewer, run: EventSlice, finished: Finished, at: int) -> Chunk:
    """One run for one viewer."""
    to = run.places[-1]
    wires = read(run, key.filter, viewer, finished)
    if not wires and to // STRIDE == at // STRIDE:
        return Chunk(to, None)
    return Chunk(to, key.encoder.events(key.sub, topic.session, topic.cursor(to), wires))


def gap(topic: Topic, key: GroupKey, at: int, to: int) -> Chunk:
    """Says that the places behind `at` up to `to` were removed from the log."""
    frame = {"frame": "gap", "sub": key.sub, "session": topic.session, "from": at + 1, "to": to}
    if topic.session is None:
        del frame["session"]
    return Chunk(to, key.encoder.notice(frame, topic.cursor(to)))


class Shared:
    """Frames of one run for a group of live subscribers: encoded once for each set of events that can be seen."""

    def __init__(self, topic: Topic, key: GroupKey, run: EventSlice, finished: Finished) -> None:
        self._topic = topic
        self._key = key
        self._run = run
        self._finished = finished
        self._restricted = tuple(run.restrictions.values())
        self._at = topic.flushed
        self._made: dict[tuple[bool, ...], Chunk] = {}

    def chunk(self, viewer: Viewer) -> Chunk:
        """What this viewer gets."""
        restricted = self._restricted
        mask = tuple([visible(readers, viewer) for readers in restricted]) if restricted else ()
        made = self._made.get(mask)
        if made is None:
            made = encode(self._topic, self._key, viewer, self._run, self._finished, self._at)
            self._made[mask] = made
        return made


class Replays:
    """Frames of the past, kept while memory allows, so that many who catch up from one place share them."""

    def __init__(self) -> None:
        self._kept: FrameCache[Name, list[Chunk]] = FrameCache(KEPT_BYTES)
        self.forget = self._kept.forget

    def known(self, cursor: Cursor, upto: int) -> list[Chunk] | None:
        """What brings a raw reader from its place to `upto`, if another one went the same way: then there is no need to
        read anything."""
        if cursor.key.filter.reading == "folded":
            return None
        return self._kept.get(Name(cursor.topic, cursor.key, cursor.at, upto, frozenset()))

    def chunks(self, cursor: Cursor, events: EventSlice, upto: int, finished: Finished) -> list[Chunk]:
        """What brings the cursor from its place to `upto`, made of the events that exist between the two."""
        name = Name(cursor.topic, cursor.key, cursor.at, upto, finished)
        chunks = self._kept.get(name)
        if chunks is None:
            chunks = list(_chunks(cursor, events, upto, finished))
            if not events.restrictions:
                self._kept.put(name, chunks, _size(chunks))
        return chunks


def _chunks(cursor: Cursor, events: EventSlice, upto: int, finished: Finished) -> Iterator[Chunk]:
    topic, key, at = cursor.topic, cursor.key, cursor.at
    for stretch in events.stretches():
        first = stretch.places[0]
        if first > at + 1:
            yield gap(topic, key, at, first - 1)
        for run in cut(stretch):
            chunk = encode(topic, key, cursor.viewer, run, finished, at)
            yield chunk
            at = chunk.to
    if at < upto:
        yield gap(topic, key, at, upto)


def _size(chunks: list[Chunk]) -> int:
    return sum([len(chunk.data) + 100 if chunk.data else 100 for chunk in chunks])
