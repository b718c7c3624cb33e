"""Whether a view holds what its events come to: it is folded again, and compared.

All of it, in the state that one transaction shows; or a sample of sessions, each with what the store had of it at that
moment. What is parked or was skipped is left out on both sides, as it is in the view.
"""

import random
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

from ..domain.errors import Invalid
from ..domain.ids import Position, SessionId
from ..log.log import Log
from ..log.paging import ENDLESS, PAGE, listed_sessions, log_pages, session_pages
from ..log.records import Record
from .authoring.meta import read
from .authoring.projection import UNKEYED, Projection
from .folding import Fold
from .runner.time_slices import slices
from .store import Build, Checkpoint, Found, ViewStore

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

_SHOWN = 20

Progress = Callable[[int, int], None]
"""How far it is: so many of so many events, or sessions."""


class Difference(NamedTuple):
    """A place where the view is not what it should be; None where there is nothing."""

    place: Any
    stored: Any
    folded: Any


class Verified(NamedTuple):
    """What came of it."""

    build: Build
    values: int
    """How many values were compared."""
    wrong: int
    """How many of them differ."""
    differences: list[Difference]
    """The first of these."""


async def verify(
    log: Log,
    store: ViewStore,
    projection: Projection[K, T],
    *,
    sample: int | None = None,
    progress: Progress = lambda done, total: None,
    rng: random.Random | None = None,
) -> Verified:
    """Fold again and compare: everything, or the documents of a `sample` of sessions.

    Raises NotFound while there is no view, Invalid for a sample of what is not kept as a document for each session or
    for a view that was built by another version, FoldFailed when an event cannot be folded.
    """
    found = await store.whole(projection.name) if sample is None else await store.get(projection.name, [])
    if found.build.version != projection.version:
        raise Invalid(
            f"{found.build} is not of version {projection.version}, which would be folded; promote that first."
        )
    if sample is None:
        return await _verify_whole(log, projection, found, progress)
    return await _verify_sample(log, store, projection, sample, progress, rng or random.Random())


async def _verify_whole(log: Log, projection: Projection[K, T], found: Found, progress: Progress) -> Verified:
    goal, fresh = found.build.checkpoint, Fold(projection)
    async for records in log_pages(log.engine, 0, goal.position):
        for first in records:
            await _fold_shared(log, projection, fresh, first, found)
        await _fold(projection, fresh, records, found)
        progress(records[-1].position, goal.position)
    if goal.shared:
        (first,) = await log.engine.read_log(goal.position, 1)
        await _fold_shared(log, projection, fresh, first, found, upto=goal.shared)
    return _compared(projection, found.build, [(found, fresh)])


async def _verify_sample(
    log: Log, store: ViewStore, projection: Projection[K, T], sample: int, progress: Progress, rng: random.Random
) -> Verified:
    if projection.key != "session" or projection.shape.key != ("key",):
        raise Invalid(f"{projection.name} is not a document for each session; verify all of it.")
    sessions = await _sessions(log)
    chosen = rng.sample(sessions, min(sample, len(sessions)))
    pairs, build = [], (await store.get(projection.name, [])).build
    for number, session in enumerate(chosen, 1):
        found = await store.get(projection.name, [(session,)])
        goal, fresh = found.build.checkpoint, Fold(projection)
        first = (await log.engine.read_session(session, -1, 1))[0].position
        async for page in session_pages(log, session, 0):
            await _fold(projection, fresh, [each for each in page if _is_behind(goal, each, first)], found)
        pairs.append((found, fresh))
        progress(number, len(chosen))
    return _compared(projection, build, pairs)


def _is_behind(goal: Checkpoint, record: Record, first: Position) -> bool:
    """Whether a view has this event of a session whose own ones begin at `first`."""
    if first == goal.position + 1:
        return record.version <= goal.shared
    return first <= goal.position and record.position <= goal.position


async def _fold_shared(
    log: Log,
    projection: Projection[K, T],
    fresh: Fold[K, T],
    first: Record,
    found: Found,
    upto: int = ENDLESS,
) -> None:
    """What the fork that begins with this event shares, up to a version, for a projection that is given it."""
    version = 0
    while projection.key == "session" and version < upto:
        page = await log.read_shared(first, version, PAGE)
        if not page:
            return
        await _fold(projection, fresh, [each for each in page if each.version <= upto], found)
        version = page[-1].version


async def _fold(projection: Projection[K, T], fresh: Fold[K, T], records: list[Record], found: Found) -> None:
    async for few in slices(records):
        for record in few:
            # Before it is read: what is left out of a whole session may be what cannot be read, or has no key.
            if projection.handlers.of(record.type) and found.has((whole_key(projection, record),), record.position):
                fresh.fold_payload(*read(record), lambda item: found.has((item.key,), item.meta.position))


def whole_key(projection: Projection[Any, Any], record: Record) -> str:
    """The key under which an event is parked or skipped whole, whatever it is."""
    return record.session if projection.key == "session" else UNKEYED + record.session


async def _sessions(log: Log) -> list[SessionId]:
    return [session async for page in listed_sessions(log.engine) for session, _ in page]


def _compared(projection: Projection[K, T], build: Build, pairs: Iterable[tuple[Found, Fold[K, T]]]) -> Verified:
    compared, differences = 0, list[Difference]()
    for found, fresh in pairs:
        stored = projection.folder()
        for row in found.rows:
            stored.load(row)
        folded = fresh.values()
        places = dict.fromkeys([*stored.values, *folded])
        compared += len(places)
        differences += [
            Difference(place, stored.values.get(place), folded.get(place))
            for place in places
            if stored.values.get(place) != folded.get(place)
        ]
    return Verified(build, compared, len(differences), differences[:_SHOWN])
