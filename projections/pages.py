"""The one reading of the log that all projections of a runner share.

What is committed while the runner lives is kept in a bounded ring of pages, and who is caught up is served from there.
Who is behind reads pages from the storage; several who are at the same place share them, and the next page is read
while one is being folded.
"""

import asyncio
from collections import OrderedDict, deque
from typing import NamedTuple

from ..domain.ids import Position
from ..log.log import Log
from ..log.records import Record
from .page import Page

BATCH = 1_000
RING_RECORDS = 4_000
RING_BYTES = 8 * 2**20
READ_AHEAD = 8
"""Pages from the storage that are kept, for all who are behind, …"""
KEPT = 5.0
"""… and for how many seconds."""


class Stretch(NamedTuple):
    """Some events that follow on each other: parts of pages, each from one index to another."""

    parts: list[tuple[Page, int, int]]

    @property
    def last(self) -> Record:
        """The last record."""
        page, _, end = self.parts[-1]
        return page.records[end - 1]

    @property
    def length(self) -> int:
        """How many events."""
        return sum([end - start for _, start, end in self.parts])

    def until(self, position: Position) -> "Stretch":
        """The part before a position."""
        parts = [(page, start, min(end, position - page.first)) for page, start, end in self.parts]
        return Stretch([(page, start, end) for page, start, end in parts if start < end])


class Pages:
    """Pages of one log. To be entered on the loop of the log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._ring: deque[Page] = deque()
        self._records = 0
        self._bytes = 0
        self._read: OrderedDict[Position, asyncio.Task[Page | None]] = OrderedDict()
        self._waiting: set[asyncio.Event] = set()

    def __enter__(self) -> "Pages":
        self._stop = self._log.hub.listen(self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()
        for task in self._read.values():
            task.cancel()

    def announce_to(self, news: asyncio.Event) -> None:
        """Set this whenever there is more."""
        self._waiting.add(news)

    def forget(self, news: asyncio.Event) -> None:
        """Leave this alone from now on."""
        self._waiting.discard(news)

    async def after(self, position: Position) -> Stretch | None:
        """Up to `BATCH` events after `position`; None when there are none yet."""
        if position >= self._log.position:
            return None
        if self._ring and position >= self._ring[0].first - 1:
            return self._from_ring(position)
        page = await self._from_storage(position)
        return None if page is None else Stretch([(page, 0, len(page.records))])

    def _from_ring(self, position: Position) -> Stretch:
        parts: list[tuple[Page, int, int]] = []
        room = BATCH
        for page in self._pages_after(position):
            start = max(0, position + 1 - page.first)
            end = min(len(page.records), start + room)
            parts.append((page, start, end))
            room -= end - start
            if not room:
                break
        return Stretch(parts)

    def _pages_after(self, position: Position) -> list[Page]:
        found: deque[Page] = deque()
        for page in reversed(self._ring):
            if page.last <= position:
                break
            found.appendleft(page)
        return list(found)

    async def _from_storage(self, position: Position) -> Page | None:
        page = await self._reading(position)
        if page is not None and page.last < self._log.position:
            self._reading(page.last)
        return page

    def _reading(self, position: Position) -> "asyncio.Future[Page | None]":
        """The page after a position. Whoever waits for it may be cancelled without the others noticing."""
        task = self._read.get(position)
        if task is None:
            task = self._read[position] = asyncio.create_task(self._load(position))
            task.add_done_callback(lambda done: self._settle(position, done))
            while len(self._read) > READ_AHEAD:
                self._read.popitem(last=False)
        self._read.move_to_end(position)
        return asyncio.shield(task)

    async def _load(self, position: Position) -> Page | None:
        records = await self._log.engine.read_log(position, BATCH)
        return Page(records) if records else None

    def _settle(self, position: Position, task: "asyncio.Task[Page | None]") -> None:
        """Keep only pages that others follow: what is at the end, or failed, is another the next time."""
        page = None if task.cancelled() or task.exception() else task.result()
        if page is None or page.last >= self._log.position:
            self._drop(position, task)
        else:
            asyncio.get_running_loop().call_later(KEPT, self._drop, position, task)

    def _drop(self, position: Position, task: "asyncio.Task[Page | None]") -> None:
        if self._read.get(position) is task:
            del self._read[position]

    def _hear(self, records: list[Record]) -> None:
        self._ring.append(Page(records))
        self._records += len(records)
        self._bytes += sum([len(record.data) for record in records])
        while len(self._ring) > 1 and (self._records > RING_RECORDS or self._bytes > RING_BYTES):
            gone = self._ring.popleft()
            self._records -= len(gone.records)
            self._bytes -= sum([len(record.data) for record in gone.records])
        for news in self._waiting:
            news.set()
