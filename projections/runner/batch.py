"""How events of the log are folded into a build.

At first as quickly as possible: a part at a time, for which everything that is needed is loaded at once; handlers
change values in place, and what has changed is written out when it is to be stored. When anything fails on the way
nothing of this is kept, and the same events are folded carefully: one at a time, each from the stored form of what it
changes, three times before it is given up. Then its key is parked, just as it was before that event, and the others go
on. (Or the fold ends there, if it is strict.) When the keys of an event cannot be told, its session is parked in their
place.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from ...domain.concepts.custom import OpaqueData
from ...domain.unchecked import new_unchecked
from ..authoring.faults import described
from ..authoring.handlers import Handler
from ..authoring.meta import Meta
from ..authoring.projection import UNKEYED, Item, Projection
from ..authoring.shape import Row
from ..store import Build, Parked, ViewStore
from .decoded_page import DecodedPage
from .log_reader import PageSlice
from .passed_over import PassedOver
from .time_slices import slices
from .working_set import WorkingSet

TRIES = 3
PART_EVENTS = 250
"""Events that are decoded and then folded at once: as many as lie in the processor's cache."""
_NO_TIME = datetime.fromtimestamp(0, UTC)

Rows = dict[Row, Row | None]
IsSkipped = Callable[[Item], bool]
"""Whether an event is not to be folded for a key."""


class Stuck(Exception):
    """A strict fold failed."""

    def __init__(self, parked: Parked) -> None:
        super().__init__(parked.error)
        self.parked = parked


class Folded(NamedTuple):
    """What is to be written, by place, and the keys that failed."""

    rows: Rows
    park: tuple[Parked, ...] = ()


class Batch:
    """Folds slices of the log into one build. What is in memory stays there from one to the next. `wait_stored` is
    awaited before anything is read from the store: until what was folded before is written there."""

    def __init__(
        self,
        projection: Projection[Any, Any],
        store: ViewStore,
        build: Build,
        wait_stored: Callable[[], Awaitable[None]],
    ) -> None:
        self._projection = projection
        self._store = store
        self._build = build
        self._wait_stored = wait_stored
        self._working = WorkingSet(projection)
        self.passed_over = PassedOver()

    async def fold(self, events: PageSlice, is_skipped: IsSkipped | None) -> bool:
        """Fold the events of a slice in their order, for each key for which they are not skipped, into what is in
        memory. False if anything failed; then all is forgotten that was folded since `changes`. Raises ViewsFailed."""
        for part in events.cut(PART_EVENTS):
            if not await self._quickly(await self._items(part, is_skipped)):
                self.forget()
                return False
        return True

    async def document(self, place: str) -> Row | None:
        """The document at a place as it is folded, in its stored form. Raises ValueError for one that cannot be stored,
        and ViewsFailed."""
        folder = self._working.folder
        if place in folder.values:
            return None if folder.values[place] is None else folder.row(place)
        return next(iter(await self._fetch([(place,)])), None)

    @property
    def changed(self) -> int:
        """How many places have changed since `changes`."""
        return len(self._working.folder.changed)

    def changes(self) -> Rows | None:
        """What has changed since this was last called, which counts as stored from now on. None if it cannot be stored;
        then it is forgotten."""
        try:
            return self._working.changes()
        except Exception:
            self.forget()
            return None

    def forget(self) -> None:
        """Have nothing in memory."""
        self._working = WorkingSet(self._projection)

    async def fold_now(self, events: PageSlice, is_skipped: IsSkipped | None) -> Folded:
        """Fold a slice for which nothing is in memory that is not stored, parking keys that fail."""
        rows = self.changes() if await self.fold(events, is_skipped) else None
        return await self.careful(events, is_skipped, strict=False) if rows is None else Folded(rows)

    async def careful(self, events: PageSlice, is_skipped: IsSkipped | None, *, strict: bool) -> Folded:
        """Fold events one at a time, each from the stored form of what it changes, parking keys that fail. All that was
        folded before must be stored. Raises Stuck if a strict fold fails, and ViewsFailed."""
        self.forget()
        rows: Rows = {}
        parked: dict[str, Parked] = {}
        for item in await self._items(events, is_skipped):
            fault = None if any(key in parked for key in item.parked_under()) else await self._tried(item, rows)
            if fault is not None:
                parked[item.key] = _parked(item, fault)
                if strict:
                    raise Stuck(parked[item.key])
        return Folded(rows, tuple(parked.values()))

    async def _items(self, events: PageSlice, is_skipped: IsSkipped | None) -> list[Item]:
        """What a slice means for this projection: its events, for each key for which they are not skipped."""
        items = list[Item]()
        for page, start, end in events.parts:
            async for few in slices(page.indexes(start, end, self._projection.handlers.of)):
                self._add_items(page, few, items)
        return items if is_skipped is None else [item for item in items if not is_skipped(item)]

    async def _quickly(self, items: list[Item]) -> bool:
        """Fold items into what is in memory; False if anything failed, after which that cannot be used."""
        try:
            work = await self._prepared(items)
            wanted = self._working.missing(work)
        except Exception:
            return False
        rows = await self._fetch(wanted) if wanted else []
        try:
            self._working.load(wanted, rows)
            async for few in slices(work):
                self._working.folder.fold(few)
        except Exception:
            return False
        return True

    async def _prepared(self, items: list[Item]) -> list[Any]:
        work = list[Any]()
        async for few in slices(items):
            work += self._working.folder.prepare(few)
        return work

    async def _fetch(self, places: Collection[Row]) -> list[Row]:
        await self._wait_stored()  # what was dropped from memory must be there to be read again
        return await self._store.fetch(self._build, places)

    async def _tried(self, item: Item, rows: Rows) -> Exception | None:
        """Fold one item into `rows`; what it failed with the last time, if it did each time."""
        fault: Exception | None = None
        for _ in range(TRIES):
            await asyncio.sleep(0)
            working = WorkingSet(self._projection)
            try:
                work = working.folder.prepare([item])
                wanted = working.missing(work)
            except Exception as error:
                fault = error
                continue
            stored = await self._rows_of(wanted, rows)
            try:
                working.load(wanted, stored)
                working.folder.fold(work)
                new = working.changes()
                _read_back(self._projection, new)
            except Exception as error:
                fault = error
                continue
            rows |= new
            return None
        return fault

    async def _rows_of(self, wanted: Iterable[Row], rows: Rows) -> list[Row]:
        """The rows in these places, those that were folded just now first."""
        unknown = [place for place in wanted if place not in rows]
        loaded = await self._fetch(unknown) if unknown else []
        return loaded + [row for place in wanted if (row := rows.get(place)) is not None]

    def _add_items(self, page: DecodedPage, indexes: Iterable[int], items: list[Item]) -> None:
        records, event_at, handlers_of, items_of = (
            page.records,
            page.event,
            self._projection.handlers.of,
            self._projection.items,
        )
        by_session, passes_over = self._projection.key == "session", self._projection.passes_over
        for index in indexes:
            try:
                event, meta = event_at(index)
                if passes_over(meta):
                    self.passed_over.add(meta.position)
                elif by_session:  # the same as `items` has, for the many
                    items.append(new_unchecked(Item, (meta.key, event, meta, handlers_of(meta.type))))
                else:
                    items += items_of(event, meta, handlers_of(records[index].type))
            except BaseException as fault:  # nothing is awaited here, so this is not the task's being cancelled
                items.append(self._failing(page, index, fault))

    def _failing(self, page: DecodedPage, index: int, fault: BaseException) -> Item:
        """An event that cannot be read, or whose keys cannot be told, as an item that fails."""

        def fail(*_: Any) -> None:
            raise fault

        position, session, version, _, type, *_ = page.records[index]
        key = session if self._projection.key == "session" else UNKEYED + session
        meta = Meta(position, session, version, "", type, _NO_TIME, "", None, None, None, key)
        return Item(key, OpaqueData(value={}), meta, (Handler(fail, (), False),))


def _read_back(projection: Projection[Any, Any], rows: Rows) -> None:
    folder = projection.folder()
    for row in rows.values():
        if row is not None:
            folder.load(row)


def _parked(item: Item, fault: Exception) -> Parked:
    meta = item.meta
    return Parked(item.key, meta.position, meta.session, meta.type, described(fault))
