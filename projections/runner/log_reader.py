"""The one reading of the log that all projections of a runner share.

What is committed while the runner lives is kept in a bounded ring of pages, and readers that have caught up are served
from there. A reader that is behind reads pages from the storage, each while what came of the one before is being
written. (While that is being folded threads hardly get a turn, so that reading ahead was measured to gain nothing.)
Several readers at the same place share pages, which are let go as soon as none is known to need them.

Projections by session are given a fork whole, as its readers see it: before its first event comes what it shares with
its origin, in pages of its own (`after_with_shared`).
"""

import asyncio
import contextlib
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable, Iterator
from functools import partial
from typing import NamedTuple

from ...domain.ids import Position, SessionId
from ...log.log import Log
from ...log.records import Record
from ..store import Checkpoint
from .checkpoints import checkpoint_at, checkpoint_before
from .decoded_page import DecodedPage, SessionSlice

BATCH = 1_000
PATIENCE_S = 3.0
"""Seconds for which a reader waits for others that are a page or two behind it."""
RING_RECORDS = 4_000
RING_BYTES = 8 * 2**20
PAGES_PER_READER = 2
"""Pages from the storage that are kept for each reader that is behind: of the log, and of what a fork shares. More
would cost more time than they save: memory that is used again at once is in the processor's cache."""
MAX_PAGES = 4
"""… and for all of them together."""


class PageSlice(NamedTuple):
    """Some events that follow on each other: parts of pages, each from one index to another. `fork`: they are what the
    session that begins with this event shares with its origin, or a part of that."""

    parts: list[tuple[DecodedPage, int, int]]
    fork: Record | None = None

    @property
    def last(self) -> Record:
        """The last record."""
        page, _, end = self.parts[-1]
        return page.records[end - 1]

    @property
    def length(self) -> int:
        """How many events."""
        return sum([end - start for _, start, end in self.parts])

    @property
    def bytes(self) -> int:
        """How many bytes they take, about."""
        return sum([page.bytes * (end - start) // len(page.records) for page, start, end in self.parts])

    def cut(self, most: int) -> Iterator["PageSlice"]:
        """Its parts of at most so many events, in their order."""
        parts: list[tuple[DecodedPage, int, int]] = []
        room = most
        for page, start, end in self.parts:
            at = start
            while at < end:
                upto = min(end, at + room)
                parts.append((page, at, upto))
                room -= upto - at
                at = upto
                if not room:
                    yield PageSlice(parts, self.fork)
                    parts, room = [], most
        if parts:
            yield PageSlice(parts, self.fork)

    def until(self, position: Position) -> "PageSlice":
        """The part before a position."""
        parts = [
            (page, start, bisect_left(page.records, position, start, end, key=_position))
            for page, start, end in self.parts
        ]
        return PageSlice([(page, start, end) for page, start, end in parts if start < end], self.fork)

    def checkpoint(self, epoch: str) -> Checkpoint:
        """The place behind it."""
        if self.fork is not None:
            return checkpoint_before(epoch, self.fork, self.last.version)
        return checkpoint_at(epoch, self.last)

    def sessions(self) -> list[SessionSlice]:
        """What of each session is in it."""
        found = dict[SessionId, SessionSlice]()
        for page, start, end in self.parts:
            for session, more in page.sessions(start, end).items():
                before = found.get(session)
                found[session] = more if before is None else before.followed_by(more)
        return [*found.values()]

    def forks(self) -> Iterator[Record]:
        """The events with which forks may begin."""
        for page, start, end in self.parts:
            if page.forks:
                first, last = page.records[start].position, page.records[end - 1].position
                yield from [fork for fork in page.forks if first <= fork.position <= last]


class LogReader:
    """Pages of one log. To be entered on the loop of the log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._ring: deque[DecodedPage] = deque()
        self._records = 0
        self._bytes = 0
        self._read: OrderedDict[Hashable, asyncio.Task[DecodedPage | None]] = OrderedDict()
        self._subscribers: set[asyncio.Event] = set()
        self._together: set[asyncio.Event] = set()
        self._behind: set[asyncio.Event] = set()
        self._places: dict[asyncio.Event, Position] = {}
        """How far those have come who are behind, and read together with others."""
        self._moved = asyncio.Event()

    def __enter__(self) -> "LogReader":
        self._stop = self._log.hub.listen(self._on_commit)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop()
        for task in self._read.values():
            task.cancel()

    def subscribe(self, wake: asyncio.Event, *, together: bool = False) -> None:
        """Set this event whenever there is more. `together`: when it is behind it waits for others that are close to
        it, and they for it, so that they share pages."""
        self._subscribers.add(wake)
        if together:
            self._together.add(wake)

    def unsubscribe(self, wake: asyncio.Event) -> None:
        """Leave this alone from now on."""
        self._subscribers.discard(wake)
        self._together.discard(wake)
        self._caught_up(wake)

    async def after(self, position: Position, reader: asyncio.Event) -> PageSlice | None:
        """Up to `BATCH` events after `position`; None when there are none yet. `reader` is what is woken."""
        if position >= self._log.position:
            self._caught_up(reader)
            return None
        if self._ring and position >= self._ring[0].first - 1:
            self._caught_up(reader)
            return self._from_ring(position)
        self._behind.add(reader)
        await self._wait_for_others(position, reader)
        most = BATCH - position % BATCH  # so that readers from different places are at the same one soon
        page = await self._reading(position, partial(self._log.engine.read_log, position, most))
        return None if page is None else PageSlice([(page, 0, len(page.records))])

    async def after_with_shared(self, place: Checkpoint, reader: asyncio.Event) -> PageSlice | None:
        """The same for projections by session: events of the log, or of what the fork shares that begins next."""
        events = await self.after(place.position, reader)
        if events is None:
            return None
        for fork in events.forks():
            if fork.position > place.position + 1:
                return events.until(fork.position)
            self._behind.add(reader)
            after = place.shared
            page = await self._reading((fork.position, after), partial(self._log.read_shared, fork, after, BATCH))
            if page is not None:
                return PageSlice([(page, 0, len(page.records))], fork)
        return events

    async def _wait_for_others(self, position: Position, reader: asyncio.Event) -> None:
        """Let those come here who are on the way, for a while. Each page is then read and decoded once."""
        if reader not in self._together:
            return
        self._places[reader] = position
        self._moved.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while any(position - 2 * BATCH < place < position for place in self._places.values()):
                    self._moved.clear()
                    await self._moved.wait()

    def _from_ring(self, position: Position) -> PageSlice:
        parts: list[tuple[DecodedPage, int, int]] = []
        room = BATCH
        for page in self._pages_after(position):
            start = max(0, position + 1 - page.first)
            end = min(len(page.records), start + room)
            parts.append((page, start, end))
            room -= end - start
            if not room:
                break
        return PageSlice(parts)

    def _pages_after(self, position: Position) -> list[DecodedPage]:
        found: deque[DecodedPage] = deque()
        for page in reversed(self._ring):
            if page.last <= position:
                break
            found.appendleft(page)
        return list(found)

    def _reading(
        self, place: Hashable, read: Callable[[], Awaitable[list[Record]]]
    ) -> "asyncio.Future[DecodedPage | None]":
        """The page at a place, read once for all who ask."""
        task = self._read.get(place)
        if task is None:
            task = self._read[place] = asyncio.create_task(self._load(read))
            task.add_done_callback(lambda done: self._settle(place, done))
            self._drop_unneeded()
        self._read.move_to_end(place)
        return asyncio.shield(task)  # one reader that is cancelled must not cancel the page under the others

    async def _load(self, read: Callable[[], Awaitable[list[Record]]]) -> DecodedPage | None:
        records = await read()
        return DecodedPage(records, self._behind) if records else None

    def _settle(self, place: Hashable, task: "asyncio.Task[DecodedPage | None]") -> None:
        """Keep only pages that others follow: what is at the end, or failed, is another the next time."""
        page = None if task.cancelled() or task.exception() else task.result()
        if (page is None or page.last >= self._log.position) and self._read.get(place) is task:
            del self._read[place]
        self._drop_unneeded()

    def _caught_up(self, reader: asyncio.Event) -> None:
        self._behind.discard(reader)
        if self._places.pop(reader, None) is not None:
            self._moved.set()
        self._drop_unneeded()

    def _drop_unneeded(self) -> None:
        done = [place for place, task in self._read.items() if task.done()]
        for place in done[: max(0, len(self._read) - min(PAGES_PER_READER * len(self._behind), MAX_PAGES))]:
            del self._read[place]

    def _on_commit(self, records: list[Record]) -> None:
        self._ring.append(DecodedPage(records, self._subscribers))
        self._records += len(records)
        self._bytes += self._ring[-1].bytes
        while len(self._ring) > 1 and (self._records > RING_RECORDS or self._bytes > RING_BYTES):
            gone = self._ring.popleft()
            self._records -= len(gone.records)
            self._bytes -= gone.bytes
        for wake in self._subscribers:  # after the ring has it: what is woken finds it there, and reads nothing
            wake.set()


def _position(record: Record) -> Position:
    return record.position
