"""Building frames: a run of consecutive events, cut to size, encoded once for all subscribers that get the same."""

from collections.abc import Iterator
from typing import NamedTuple

from ...domain.audience import Viewer, visible
from ...log.weighted_cache import WeightedCache
from .event_filter import Finished, visible_wires
from .event_slice import EventSlice
from .subscriber import GroupKey
from .topic import Cursor, Topic

MAX_FRAME_BYTES = 64 * 1024
KEPT_BYTES = 64 * 2**20
"""Enough for a hundred sessions to which everyone returns at once, a thousand events behind."""
PROGRESS_EVERY_PLACES = 1_000
"""A subscriber from whom everything is filtered is told how far it is whenever a multiple of this is passed."""


class EncodedFrame(NamedTuple):
    """Bytes to write (or nothing), and the place of the subscriber afterwards."""

    to: int
    data: bytes | None


class ReplayKey(NamedTuple):
    """What frames of the past bring one group's subscribers from `at` to `upto`, while these messages are finished."""

    topic: Topic
    key: GroupKey
    at: int
    upto: int
    finished: Finished


def cut_to_size(events: EventSlice) -> Iterator[EventSlice]:
    """Cut into runs of at most `MAX_FRAME_BYTES` bytes, each of at least one event."""
    start = size = 0
    for number, more in enumerate(map(len, events.wires)):
        if size + more >= MAX_FRAME_BYTES and number > start:
            yield events.part(start, number)
            start, size = number, 0
        size += more + 1
    if start < len(events):
        yield events.part(start, len(events)) if start else events


def encode_frame(
    topic: Topic, key: GroupKey, viewer: Viewer, run: EventSlice, finished: Finished, at: int
) -> EncodedFrame:
    """One run for one viewer."""
    to = run.places[-1]
    wires = visible_wires(run, key.filter, viewer, finished)
    if not wires and to // PROGRESS_EVERY_PLACES == at // PROGRESS_EVERY_PLACES:
        return EncodedFrame(to, None)
    resume, cursors = topic.resume_place(to), topic.cursors(wires)
    return EncodedFrame(to, key.encoder.events(key.sub, topic.session, to, resume, wires, cursors))


def gap_frame(topic: Topic, key: GroupKey, at: int, to: int) -> EncodedFrame:
    """Says that the places after `at` up to `to` were removed from the log."""
    frame = {"frame": "gap", "sub": key.sub, "session": topic.session, "from": at + 1, "to": to}
    frame |= topic.resume_member(to)
    if topic.session is None:
        del frame["session"]
    return EncodedFrame(to, key.encoder.notice(frame, topic.resume_place(to)))


class SharedFrames:
    """Frames of one run for a group of live subscribers: encoded once for each set of events that can be seen."""

    def __init__(self, topic: Topic, key: GroupKey, run: EventSlice, finished: Finished) -> None:
        self._topic = topic
        self._key = key
        self._run = run
        self._finished = finished
        self._restricted = tuple(run.restrictions.values())
        self._at = topic.flushed
        self._made: dict[tuple[bool, ...], EncodedFrame] = {}

    def frame(self, viewer: Viewer) -> EncodedFrame:
        """What this viewer gets."""
        restricted = self._restricted
        mask = tuple([visible(readers, viewer) for readers in restricted]) if restricted else ()
        made = self._made.get(mask)
        if made is None:
            made = encode_frame(self._topic, self._key, viewer, self._run, self._finished, self._at)
            self._made[mask] = made
        return made


class ReplayCache:
    """Frames of the past, which stay while memory allows, so that many who catch up from one place share them."""

    def __init__(self) -> None:
        self._kept = WeightedCache[ReplayKey, list[EncodedFrame]](KEPT_BYTES, group=lambda key: key.topic)
        self.forget = self._kept.drop_group

    def known(self, cursor: Cursor, upto: int) -> list[EncodedFrame] | None:
        """What brings a raw reader from its place to `upto`, if another one went the same way: then there is no need to
        read anything."""
        if cursor.key.filter.reading == "folded":
            return None
        return self._kept.use(ReplayKey(cursor.topic, cursor.key, cursor.at, upto, frozenset()))

    def frames(self, cursor: Cursor, events: EventSlice, upto: int, finished: Finished) -> list[EncodedFrame]:
        """What brings the cursor from its place to `upto`, made of the events that exist between the two."""
        key = ReplayKey(cursor.topic, cursor.key, cursor.at, upto, finished)
        frames = self._kept.use(key)
        if frames is None:
            frames = list(_frames(cursor, events, upto, finished))
            if not events.restrictions:
                self._kept.put(key, frames, _size(frames))
        return frames


def _frames(cursor: Cursor, events: EventSlice, upto: int, finished: Finished) -> Iterator[EncodedFrame]:
    topic, key, at = cursor.topic, cursor.key, cursor.at
    for stretch in events.stretches():
        first = stretch.places[0]
        if first > at + 1:
            yield gap_frame(topic, key, at, first - 1)
        for run in cut_to_size(stretch):
            frame = encode_frame(topic, key, cursor.viewer, run, finished, at)
            yield frame
            at = frame.to
    if at < upto:
        yield gap_frame(topic, key, at, upto)


def _size(frames: list[EncodedFrame]) -> int:
    return sum([len(frame.data) + 100 if frame.data else 100 for frame in frames])
