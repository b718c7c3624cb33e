"""The feed: one log's topics and the subscribers that follow them.

A new subscriber registers with its topic first and reads the past afterwards, so that nothing can fall between. It
only ever moves to the next place: gaps and duplicates cannot arise, only lag.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from functools import partial

from ...domain.audience import Viewer
from ...domain.errors import BadCursor
from ...domain.ids import SessionId
from ...log.log import Log
from ...log.records import Record
from ...log.stats import SECONDS, Histogram
from .event_filter import Finished
from .event_frames import EncodedFrame, ReplayCache, SharedFrames, cut_to_size
from .event_slice import EventSlice, RingEntry
from .finished_messages import finished_now
from .history_reader import HistoryPage, HistoryReader, end_of_page
from .lag import not_there
from .pump import Pump
from .subscriber import GroupKey, SubscriberSink
from .topic import Cursor, LogTopic, SessionTopic, Topic

END = "end"
WRITES_PER_STEP = 32


class Feed:
    """Delivers one log. `tasks` owns the reading of pages."""

    def __init__(self, log: Log, tasks: asyncio.TaskGroup) -> None:
        self.log = log
        self.pages = HistoryReader(tasks)
        self._replays = ReplayCache()
        self._pump = Pump()
        self._topics: dict[SessionId | None, Topic] = {}
        self._dirty: dict[Topic, None] = {}
        self._scheduled = False
        self._published_at = 0.0
        self.seconds = Histogram(SECONDS)
        """Of each topic and window: from its first commit until all live subscribers had been written to."""
        log.hub.listen(self._published)

    async def follow(
        self, session: SessionId | None, after: int | str, key: GroupKey, viewer: Viewer, sink: SubscriberSink
    ) -> Cursor:
        """A cursor on a session, or with None on the whole log, at a place (a negative one: so many before the end);
        nothing is delivered before `resume`. Raises BadCursor for a place in the future, NotReady where it may come."""
        topic = await self._topic(session)
        # While a topic has no followers, any subscriber that ends drops it: so it is fetched again after each await, or
        # the cursor would be on one that gets nothing any more.
        at = topic.flushed if after == END else int(after)
        at = at if at >= 0 else max(topic.flushed + at, 0)
        if at > topic.last:  # the client may have it from another gateway, and before this one has
            await self.log.catch_up()
            topic = await self._topic(session)
        if at > topic.last:
            self._drop_if_unused(topic)
            beyond = BadCursor(
                f"{session or 'The log'} ends at {topic.last}; there is no {at} to go on from. Start from 0, or from "
                f"a place that this log gave you.",
                head=topic.last,
            )
            raise await not_there(self.log, beyond)
        cursor = Cursor(topic, key, viewer, sink, at)
        topic.followers += 1
        return cursor

    @property
    def subscriptions(self) -> int:
        """How many cursors there are."""
        return sum(topic.followers for topic in self._topics.values())

    def end(self, cursor: Cursor) -> None:
        """Stop following."""
        if not cursor.ended:
            # A subscription says where it got to (`place`) afterwards, too.
            cursor.leave(cursor.place)
            cursor.ended = True
            cursor.topic.followers -= 1
            self._drop_if_unused(cursor.topic)

    def resume(self, cursor: Cursor, page: HistoryPage | None = None) -> None:
        """Start a cursor, or go on with one whose transport takes more again, or whose page has been read."""
        # A transport may resume many times before the pump gets there: two jobs would write the same events twice.
        if not (cursor.live or cursor.queued or cursor.ended):
            cursor.queued = True
            self._pump.start(self._catch_up(cursor, page), cursor.sink.fail)

    async def _topic(self, session: SessionId | None) -> Topic:
        while True:
            topic = self._topics.get(session)
            if topic is None:
                # Registered before its head is read: what is published meanwhile goes into its ring, and nothing falls
                # between the head and the first event that is pushed.
                topic = LogTopic(self.log) if session is None else SessionTopic(self.log, session)
                self._topics[session] = topic
            if topic.followers:
                return topic
            try:
                head = await topic.head()
            except BaseException:  # cancelled, too: nobody else would drop the topic, and its ring would go on growing
                self._drop_if_unused(topic)
                raise
            # While the head was read another subscriber may have come and gone, and the topic with it: begin again.
            if self._topics.get(session) is topic:
                # Or come and stayed: then the topic serves it already, and its ring must not be cleared.
                if not topic.followers:
                    topic.start_at(head)
                return topic

    def _drop_if_unused(self, topic: Topic) -> None:
        # Only if it is the registered one: its namesake, made since, may have followers.
        if topic.followers == 0 and self._topics.get(topic.session) is topic:
            del self._topics[topic.session]
            self.pages.forget(topic)
            self._replays.forget(topic)

    def _published(self, records: list[Record]) -> None:
        topics = self._topics
        whole = topics.get(None)
        if not topics:
            return
        for record in records:
            topic = topics.get(record.session)
            if topic is None and whole is None:
                continue
            # One entry for both topics: the wire form is made once.
            entry = RingEntry(record)
            for each in (topic, whole):
                if each is not None:
                    each.push(entry)
                    self._dirty[each] = None
        self._schedule()

    def _schedule(self) -> None:
        # Once per window: what is published until `_flush` runs is in `_dirty`, and goes out in the same frames.
        if self._dirty and not self._scheduled:
            self._scheduled = True
            self._published_at = time.monotonic()
            self._pump.call_when_window_closes(self._flush)

    def _flush(self) -> None:
        # First: what is published while topics are served needs a flush of its own.
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        since = self._published_at
        for topic in dirty:
            # Its job goes on until `last`, which has moved. A second one would write the same run twice.
            if topic.flushing:
                continue
            if topic.groups:
                topic.flushing = True
                self._pump.start(self._serve(topic, since), partial(self._abandon, topic))
            else:  # nobody live: those in the past read up to `flushed`, so it must move all the same
                self._served(topic, topic.last)

    def _served(self, topic: Topic, to: int) -> None:
        topic.flushed = to
        topic.flushing = False
        # Swapped out first: a cursor that cannot join yet is put into the new list.
        joining, topic.joining = topic.joining, []
        for cursor in joining:
            self.resume(cursor)

    def _serve(self, topic: Topic, since: float) -> Iterator[None]:
        """Bring all live subscribers of a topic to its last place; something of it has been committed at `since`."""
        while topic.flushed < topic.last:
            if topic.flushed < topic.ring_start:  # what was followed before it was there has become a fork
                self._send_back(topic)
                break
            events = topic.newer(topic.flushed, topic.last)
            finished = self._finished(events, topic.groups)
            for run in cut_to_size(events):
                # Copies: during the yields in between subscribers leave their groups, and groups vanish.
                for key, group in tuple(topic.groups.items()):
                    yield from _write(topic, tuple(group), SharedFrames(topic, key, run, finished))
                    yield  # a group may be one viewer, and what is encoded for each long
                # Behind all groups: it is the place of every live cursor. Moved earlier, those not yet written to would
                # have skipped this run; so nobody joins while `flushing` is set.
                topic.flushed = run.places[-1]
        self.seconds.add(time.monotonic() - since)
        self._served(topic, topic.flushed)

    def _send_back(self, topic: Topic) -> None:
        """Have all live subscribers catch up: what is between them and the ring stands in the storage alone."""
        for cursor in [cursor for group in topic.groups.values() for cursor in group]:
            cursor.leave(topic.flushed)
            topic.joining.append(cursor)
        topic.flushed = topic.last

    def _abandon(self, topic: Topic, error: BaseException) -> None:
        """What is new cannot be delivered: its live subscribers are ended, and resume over new connections."""
        for cursor in [cursor for group in topic.groups.values() for cursor in group]:
            # Before `fail`, which says where to resume: that is before the run which failed.
            cursor.leave(topic.flushed)
            cursor.sink.fail(error)
        self._served(topic, topic.last)

    def _catch_up(self, cursor: Cursor, page: HistoryPage | None) -> Iterator[None]:
        """Bring one subscriber forward until it is live, its transport is full, or a page must be read first.

        `queued` stays set while this runs or waits for a page: two of these for one cursor would write things twice.
        """
        while cursor.sink.open and not cursor.ended:
            if cursor.at >= cursor.topic.flushed:
                self._join(cursor)
                break
            frames = self._frames(cursor, page)
            page = None
            if frames is None:
                # `queued` stays set: a transport that resumes meanwhile must not start a second reading.
                self.pages.request(cursor.topic, cursor.at, cursor.key.filter, partial(self._page_read, cursor))
                return
            yield from _replay(cursor, frames)
        # Last, and with no yield since `open` was found false: a resume in between would have been lost.
        cursor.queued = False

    def _frames(self, cursor: Cursor, page: HistoryPage | None) -> list[EncodedFrame] | None:
        """What comes next for a subscriber in the past, `page` being what it waited for; None when it must be read from
        the storage first."""
        # Up to `flushed` and not `last`: what is beyond it is the live group's next run, which it gets when it joins.
        topic, at, upto = cursor.topic, cursor.at, cursor.topic.flushed
        if at >= topic.ring_start:
            events = topic.newer(at, upto)
        else:
            known = self._replays.known(cursor, min(end_of_page(topic, at), upto))
            if known is not None:
                return known
            if page is None or page.upto <= at:
                page = self.pages.get(topic, at, cursor.key.filter)
            if page is None:
                return None
            upto = min(page.upto, upto)
            events = page.events.between(at, upto)
        return self._replays.frames(cursor, events, upto, self._finished(events, (cursor.key,)))

    def _finished(self, events: EventSlice, keys: Iterable[GroupKey]) -> Finished:
        folded = any(key.filter.reading == "folded" for key in keys)
        return finished_now(self.log, events.records) if folded else frozenset()

    def _join(self, cursor: Cursor) -> None:
        topic, key = cursor.topic, cursor.key
        # In the midst of a run some groups have had it and some have not: one that joined now would miss it or get it
        # twice. And one that begins in front of `flushed` would get what it has. Both wait until the topic is served.
        if topic.flushing or cursor.at > topic.flushed:
            topic.joining.append(cursor)
            return
        if not cursor.caught_up:
            cursor.caught_up = True
            frame = {"frame": "caught_up", "sub": key.sub}
            if topic.session:
                place = {"session": topic.session, "version": cursor.at, "position": self.log.position}
            else:  # who asked for `end` has no cursor until this one, and could not resume
                place = {"to": topic.resume_place(cursor.at), "position": cursor.at}
            place |= topic.resume_member(cursor.at)
            cursor.sink.write(key.encoder.notice({**frame, **place}, topic.resume_place(cursor.at)))
        # The notice may have filled the transport: then `resumed` brings it here again, and says nothing twice.
        if cursor.sink.open:
            cursor.join()

    def _page_read(self, cursor: Cursor, found: HistoryPage | Exception) -> None:
        # Before `resume`, which does nothing for a cursor that is queued.
        cursor.queued = False
        if isinstance(found, HistoryPage):
            # With the page itself: the cache may have dropped it by now, and it would be read again and again.
            self.resume(cursor, found)
        elif not cursor.ended:
            cursor.sink.fail(found)


def _replay(cursor: Cursor, frames: list[EncodedFrame]) -> Iterator[None]:
    """Write frames of the past to one subscriber, while its transport takes them."""
    for frame in frames:
        if frame.data is not None:
            cursor.sink.write(frame.data)
        # Before the yield, during which the subscription may end and say where it got to.
        cursor.at = frame.to
        yield
        if cursor.ended or not cursor.sink.open:
            return


def _write(topic: Topic, cursors: tuple[Cursor, ...], shared: SharedFrames) -> Iterator[None]:
    """Write one run to the live cursors of one group. A transport that became full holds what it has been given."""
    for number, cursor in enumerate(cursors):
        if not cursor.live:  # it has ended, or left, during a yield
            continue
        sink, at = cursor.sink, topic.flushed
        if sink.open:
            at, data = shared.frame(cursor.viewer)
            if data is not None:
                sink.write(data)
        # Not only when the write has filled it: one that was full before is left behind where it was.
        if not sink.open:
            cursor.leave(at)
        if number % WRITES_PER_STEP == WRITES_PER_STEP - 1:
            yield
