"""Pages of the past, shared by all who read them.

Pages lie at fixed places, so that subscribers who start at different places still share them; a page is read once,
however many wait for it, and kept while memory allows. Memory is bounded by bytes over all topics of a feed.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from .finished import learn
from .kept import Kept
from .lens import Entry
from .topic import Topic

PAGE = 1_000
KEPT_BYTES = 32 * 2**20


class Page(NamedTuple):
    """Entries of one page, those that exist; `upto` is the last place that the page accounts for."""

    entries: list[Entry]
    upto: int
    size: int

    def between(self, topic: Topic, at: int, upto: int) -> list[Entry]:
        """Those with at < place ≤ upto."""
        entries = self.entries
        if not entries:
            return entries
        first, last = topic.place(entries[0].record), topic.place(entries[-1].record)
        if last - first == len(entries) - 1:
            return entries[max(0, at + 1 - first) : max(0, upto + 1 - first)]
        return [each for each in entries if at < topic.place(each.record) <= upto]


class PageKey(NamedTuple):
    """Page `number` of a topic. For folded readings the sessions that stream in it are brought to hand."""

    topic: Topic
    number: int
    folded: bool


Then = Callable[[Page | Exception], None]


def end_of_page(after: int) -> int:
    """The last place of the page that holds the place behind `after`."""
    return (after // PAGE + 1) * PAGE


class Pages:
    """Reads pages, each once at a time, and keeps the newest used. `tasks` owns the reading."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        self._kept: Kept[PageKey, Page] = Kept(KEPT_BYTES)
        self.forget = self._kept.forget
        self._reading: dict[PageKey, list[Then]] = {}
        self.reads = 0

    def get(self, topic: Topic, after: int, folded: bool) -> Page | None:
        """The page that holds the place behind `after`, if it is at hand and reaches beyond it."""
        page = self._kept.get(PageKey(topic, after // PAGE, folded))
        return None if page is None or page.upto <= after else page

    def request(self, topic: Topic, after: int, folded: bool, then: Then) -> None:
        """Read that page and call `then` with it, or with why it cannot be read. Who waited for a page need not find it
        again: when many are read at once, it may have made room for others by then."""
        key = PageKey(topic, after // PAGE, folded)
        waiting = self._reading.get(key)
        if waiting is not None:
            waiting.append(then)
            return
        self._reading[key] = [then]
        self._tasks.create_task(self._read(key))

    async def _read(self, key: PageKey) -> None:
        found: Page | Exception
        try:
            found = await self._load(key)
            if key.topic.followers:
                self._kept.put(key, found, found.size)
        except Exception as failure:  # handed to all who wait; they decide what becomes of them
            found = failure
        for then in self._reading.pop(key):
            then(found)

    async def _load(self, key: PageKey) -> Page:
        topic, first = key.topic, key.number * PAGE
        self.reads += 1
        known = topic.last
        records = await topic.page(first, PAGE)
        while records and topic.place(records[-1]) > first + PAGE:
            records.pop()
        end = topic.place(records[-1]) if records else first
        entries = [Entry(record) for record in records]
        if key.folded:
            await learn(topic.log, entries)
        upto = max(end, min(known, first + PAGE))
        return Page(entries, upto, sum([2 * len(record.data) + 800 for record in records]))
