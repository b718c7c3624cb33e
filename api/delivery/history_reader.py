"""Pages of the past, shared by all who read them.

Pages begin at fixed places, so that subscribers who start at different places still share them; a page is read once,
however many wait for it, and stays while memory allows. Memory is bounded by bytes over all topics of a feed: where
events are large the storage gives fewer at once, and a page of its own begins where it stopped.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable
from typing import NamedTuple

from ...log.weighted_cache import WeightedCache
from .event_filter import EventFilter
from .event_slice import EventSlice
from .finished_messages import load_finished
from .topic import Topic

PAGE_EVENTS = 1_000
KEPT_BYTES = 32 * 2**20


class HistoryPage(NamedTuple):
    """Events of one page, those that exist; `upto` is the last place that the page accounts for."""

    events: EventSlice
    upto: int
    size: int


class PageKey(NamedTuple):
    """The page of a topic behind the place `start`. For folded readings the sessions that stream in it are loaded,
    too."""

    topic: Topic
    start: int
    records: bool
    folded: bool


OnPage = Callable[[HistoryPage | Exception], None]


def end_of_page(topic: Topic, after: int) -> int:
    """The last place of the page that holds the place behind `after`."""
    end, following = (after // PAGE_EVENTS + 1) * PAGE_EVENTS, bisect_right(topic.cuts, after)
    return min([end, *topic.cuts[following : following + 1]])


def _key(topic: Topic, after: int, filter: EventFilter) -> PageKey:
    start, following = after // PAGE_EVENTS * PAGE_EVENTS, bisect_right(topic.cuts, after)
    start = max([start, *topic.cuts[:following][-1:]])
    return PageKey(topic, start, filter.needs_records, filter.reading == "folded")


class HistoryReader:
    """Reads pages, each once at a time, and keeps the newest used. `tasks` owns the reading."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._kept = WeightedCache[PageKey, HistoryPage](KEPT_BYTES, group=lambda key: key.topic)
        self.forget = self._kept.drop_group
        self._reading: dict[PageKey, list[OnPage]] = {}
        self.reads = 0

    def get(self, topic: Topic, after: int, filter: EventFilter) -> HistoryPage | None:
        """The page that holds the place behind `after`, if it is in memory and reaches beyond it."""
        page = self._kept.use(_key(topic, after, filter))
        return None if page is None or page.upto <= after else page

    def request(self, topic: Topic, after: int, filter: EventFilter, on_page: OnPage) -> None:
        """Read that page and call `on_page` with it, or with why it cannot be read. `get` need not find it afterwards:
        when many are read at once, it may have made room for others by then."""
        key = _key(topic, after, filter)
        # Single flight: a thousand subscribers that come back at once cost one query.
        waiting = self._reading.get(key)
        if waiting is not None:
            waiting.append(on_page)
            return
        self._reading[key] = [on_page]
        self._tasks.create_task(self._read(key))

    async def _read(self, key: PageKey) -> None:
        found: HistoryPage | Exception
        try:
            found = await self._load(key)
            # The last follower may have ended during the read, and `forget` been called: nobody would drop it again.
            if key.topic.followers:
                self._kept.put(key, found, found.size)
        except Exception as failure:  # handed to all who wait; they decide what becomes of them
            found = failure
        # Out of `_reading` before anyone is called: one that requests the page once more needs a new read.
        for on_page in self._reading.pop(key):
            on_page(found)

    async def _load(self, key: PageKey) -> HistoryPage:
        topic, start = key.topic, key.start
        self.reads += 1
        end = end_of_page(topic, start)
        # Before the read: what is published during it is not in the page, and would seem removed if `upto` counted it.
        upto = min(topic.last, end)
        events = (await topic.page(start, end - start, records=key.records)).between(start, end)
        if key.folded:
            await load_finished(topic.log, events.records)
        last = events.places[-1] if events.places else start
        # Fewer than asked for: either the rest was removed, or the storage stopped because it was full of bytes. Taken
        # for the first, the second would skip events; so it is asked for one more.
        if last < upto and (await topic.page(last, 1, records=False)).between(last, upto):
            insort(topic.cuts, last)
            upto = last
        return HistoryPage(events, max(last, upto), _size(events))


def _size(events: EventSlice) -> int:
    """About how many bytes of memory they use."""
    size = sum(map(len, events.wires))
    return 2 * size + 800 * len(events) if events.records else size + 120 * len(events)
