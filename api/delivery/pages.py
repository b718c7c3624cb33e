"""Pages of the past, shared by all who read them.

Pages lie at fixed places, so that subscribers who start at different places still share them; a page is read once,
however many wait for it, and kept while memory allows. Memory is bounded by bytes over all topics of a feed: where
events are large the storage gives fewer at once, and the place where it stopped begins a page of its own.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import NamedTuple

from ...log.weighted_cache import WeightedCache
from .event_filter import EventFilter
from .event_slice import EventSlice
from .finished import learn
from .topic import Topic

PAGE_EVENTS = 1_000
KEPT_BYTES = 32 * 2**20


class HistoryPage(NamedTuple):
    """Events of one page, those that exist; `upto` is the last place that the page accounts for."""

    events: EventSlice
    upto: int
    size: int


class PageKey(NamedTuple):
    """The page of a topic behind the place `start`. For folded readings the sessions that stream in it are brought to
    hand."""

    topic: Topic
    start: int
    records: bool
    folded: bool


Then = Callable[[HistoryPage | Exception], None]


def end_of_page(topic: Topic, after: int) -> int:
    """The last place of the page that holds the place behind `after`."""
    end, following = (after // PAGE_EVENTS + 1) * PAGE_EVENTS, bisect_right(topic.cuts, after)
    return min([end, *topic.cuts[following : following + 1]])


def _key(topic: Topic, after: int, filter: EventFilter) -> PageKey:
    start, following = after // PAGE_EVENTS * PAGE_EVENTS, bisect_right(topic.cuts, after)
    start = max([start, *topic.cuts[:following][-1:]])
    return PageKey(topic, start, filter.needs_records, filter.reading == "folded")


class HistoryPages:
    """Reads pages, each once at a time, and keeps the newest used. `tasks` owns the reading."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._kept = WeightedCache[PageKey, HistoryPage](KEPT_BYTES, group=lambda key: key.topic)
        self.forget = self._kept.drop_group
        self._reading: dict[PageKey, list[Then]] = {}
        self.reads = 0

    def get(self, topic: Topic, after: int, filter: EventFilter) -> HistoryPage | None:
        """The page that holds the place behind `after`, if it is at hand and reaches beyond it."""
        page = self._kept.use(_key(topic, after, filter))
        return None if page is None or page.upto <= after else page

    def request(self, topic: Topic, after: int, filter: EventFilter, then: Then) -> None:
        """Read that page and call `then` with it, or with why it cannot be read. Who waited for a page need not find it
        again: when many are read at once, it may have made room for others by then."""
        key = _key(topic, after, filter)
        waiting = self._reading.get(key)
        if waiting is not None:
            waiting.append(then)
            return
        self._reading[key] = [then]
        self._tasks.create_task(self._read(key))

    async def _read(self, key: PageKey) -> None:
        found: HistoryPage | Exception
        try:
            found = await self._load(key)
            if key.topic.followers:
                self._kept.put(key, found, found.size)
        except Exception as failure:  # handed to all who wait; they decide what becomes of them
            found = failure
        for then in self._reading.pop(key):
            then(found)

    async def _load(self, key: PageKey) -> HistoryPage:
        topic, start = key.topic, key.start
        self.reads += 1
        end = end_of_page(topic, start)
        upto = min(topic.last, end)
        events = (await topic.page(start, end - start, records=key.records)).between(start, end)
        if key.folded:
            await learn(topic.log, events.records)
        last = events.places[-1] if events.places else start
        if last < upto and (await topic.page(last, 1, records=False)).between(last, upto):
            insort(topic.cuts, last)
            upto = last
        return HistoryPage(events, max(last, upto), _size(events))


def _size(events: EventSlice) -> int:
    """About how many bytes of memory they take."""
    size = sum(map(len, events.wires))
    return 2 * size + 800 * len(events) if events.records else size + 120 * len(events)
