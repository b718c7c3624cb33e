"""The feed: one log's topics and everyone who follows them.

A new subscriber registers with its topic first and reads the past afterwards, so that nothing can fall between. It
only ever moves to the next place: gaps and duplicates cannot arise, only lag.
"""

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial

from ...domain.audience import Viewer
from ...domain.errors import BadCursor
from ...domain.ids import SessionId
from ...log.log import Log
from ...log.records import Record
from .cursor import Cursor, GroupKey, Sink
from .event_filter import Finished
from .event_frames import Chunk, Replays, Shared, cut
from .event_slice import EventSlice, RingEntry
from .finished import finished_now
from .pages import HistoryPage, HistoryPages, end_of_page
from .pump import Pump
from .topic import LogTopic, SessionTopic, Topic

END = "end"
WRITES_PER_STEP = 32


class Feed:
    """Delivers one log. `tasks` owns the reading of pages."""

    def __init__(self, log: Log, tasks: asyncio.TaskGroup) -> None:
        self.log = log
        self.pages = HistoryPages(tasks)
        self._replays = Replays()
        self._pump = Pump()
        self._topics: dict[SessionId | None, Topic] = {}
        self._dirty: dict[Topic, None] = {}
        self._scheduled = False
        self.close = log.hub.listen(self._published)

    async def follow(
        self, session: SessionId | None, after: int | str, key: GroupKey, viewer: Viewer, sink: Sink
    ) -> Cursor:
        """A cursor on a session, or with None on the whole log, at a place; nothing is delivered before `resume`.
        Raises BadCursor for a place in the future."""
        topic = await self._topic(session)
        at = topic.flushed if after == END else int(after)
        if at > topic.last and await self.log.look():  # another gateway may have told of it before this one has heard
            topic = await self._topic(session)
        if at > topic.last:
            self._drop_if_unused(topic)
            raise BadCursor(
                f"{session or 'The log'} ends at {topic.last}; there is no {at} to go on from. Start from 0, or from "
                f"a place that this log gave you.",
                head=topic.last,
            )
        cursor = Cursor(topic, key, viewer, sink, at)
        topic.followers += 1
        return cursor

    @property
    def subscriptions(self) -> int:
        """How many cursors there are; one that follows several sessions has one in each."""
        return sum(topic.followers for topic in self._topics.values())

    def end(self, cursor: Cursor) -> None:
        """Stop following."""
        if not cursor.ended:
            cursor.leave(cursor.place)
            cursor.ended = True
            cursor.topic.followers -= 1
            self._drop_if_unused(cursor.topic)

    def resume(self, cursor: Cursor, page: HistoryPage | None = None) -> None:
        """Start a cursor, or go on with one whose transport takes more again, or whose page has been read."""
        if not (cursor.live or cursor.queued or cursor.ended):
            cursor.queued = True
            self._pump.start(self._catch_up(cursor, page), cursor.sink.fail)

    async def _topic(self, session: SessionId | None) -> Topic:
        while True:
            topic = self._topics.get(session)
            if topic is None:
                topic = LogTopic(self.log) if session is None else SessionTopic(self.log, session)
                self._topics[session] = topic
            if topic.followers:
                return topic
            try:
                head = await topic.head()
            except BaseException:
                self._drop_if_unused(topic)
                raise
            if self._topics.get(session) is topic:
                if not topic.followers:
                    topic.stand_at(head)
                return topic

    def _drop_if_unused(self, topic: Topic) -> None:
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
            entry = RingEntry(record)
            for each in (topic, whole):
                if each is not None:
                    each.push(entry)
                    self._dirty[each] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._dirty and not self._scheduled:
            self._scheduled = True
            self._pump.soon(self._flush)

    def _flush(self) -> None:
        self._scheduled = False
        dirty, self._dirty = self._dirty, {}
        for topic in dirty:
            if topic.flushing:
                continue
            if topic.groups:
                topic.flushing = True
                self._pump.start(self._serve(topic), partial(self._abandon, topic))
            else:
                self._served(topic, topic.last)

    def _served(self, topic: Topic, to: int) -> None:
        topic.flushed = to
        topic.flushing = False
        joining, topic.joining = topic.joining, []
        for cursor in joining:
            self.resume(cursor)

    def _serve(self, topic: Topic) -> Iterator[None]:
        """Bring all live subscribers of a topic to its last place."""
        while topic.flushed < topic.last:
            if topic.flushed < topic.ring_start:  # what was followed before it was there has become a fork
                self._send_back(topic)
                break
            events = topic.newer(topic.flushed, topic.last)
            finished = self._finished(events, topic.groups)
            for run in cut(events):
                for key, group in tuple(topic.groups.items()):
                    yield from _write(topic, tuple(group), Shared(topic, key, run, finished))
                topic.flushed = run.places[-1]
        self._served(topic, topic.flushed)

    def _send_back(self, topic: Topic) -> None:
        """Have all live subscribers catch up: what is between them and the ring stands in the storage alone."""
        for cursor in [cursor for group in topic.groups.values() for cursor in group]:
            cursor.leave(topic.flushed)
            topic.joining.append(cursor)
        topic.flushed = topic.last

    def _abandon(self, topic: Topic, error: BaseException) -> None:
        """What is new cannot be delivered: those who stand there resume on connections of their own."""
        for cursor in [cursor for group in topic.groups.values() for cursor in group]:
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
            chunks = self._chunks(cursor, page)
            page = None
            if chunks is None:
                self.pages.request(cursor.topic, cursor.at, cursor.key.filter, partial(self._page_read, cursor))
                return
            yield from _replay(cursor, chunks)
        cursor.queued = False

    def _chunks(self, cursor: Cursor, page: HistoryPage | None) -> list[Chunk] | None:
        """What comes next for a subscriber in the past, `page` being what it waited for; None when it must be read from
        the storage first."""
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
        return self._replays.chunks(cursor, events, upto, self._finished(events, (cursor.key,)))

    def _finished(self, events: EventSlice, keys: Iterable[GroupKey]) -> Finished:
        folded = any(key.filter.reading == "folded" for key in keys)
        return finished_now(self.log, events.records) if folded else frozenset()

    def _join(self, cursor: Cursor) -> None:
        topic, key = cursor.topic, cursor.key
        if topic.flushing or cursor.at > topic.flushed:
            topic.joining.append(cursor)
            return
        if not cursor.caught_up:
            cursor.caught_up = True
            frame = {"frame": "caught_up", "sub": key.sub}
            place = {"version": cursor.at, "position": self.log.position} if topic.session else {}
            where = {"session": topic.session} if topic.session else {"position": cursor.at}
            cursor.sink.write(key.encoder.notice({**frame, **where, **place}, topic.cursor(cursor.at)))
        if cursor.sink.open:
            cursor.join()

    def _page_read(self, cursor: Cursor, found: HistoryPage | Exception) -> None:
        cursor.queued = False
        if isinstance(found, HistoryPage):
            self.resume(cursor, found)
        elif not cursor.ended:
            cursor.sink.fail(found)


def _replay(cursor: Cursor, chunks: list[Chunk]) -> Iterator[None]:
    """Write chunks of the past to one subscriber, while its transport takes them."""
    for chunk in chunks:
        if chunk.data is not None:
            cursor.sink.write(chunk.data)
        cursor.at = chunk.to
        yield
        if cursor.ended or not cursor.sink.open:
            return


def _write(topic: Topic, cursors: tuple[Cursor, ...], shared: Shared) -> Iterator[None]:
    """Write one run to the live cursors of one group. A transport that became full keeps what it has been given."""
    for number, cursor in enumerate(cursors):
        if not cursor.live:
            continue
        sink, at = cursor.sink, topic.flushed
        if sink.open:
            at, data = shared.chunk(cursor.viewer)
            if data is not None:
                sink.write(data)
        if not sink.open:
            cursor.leave(at)
        if number % WRITES_PER_STEP == WRITES_PER_STEP - 1:
            yield
