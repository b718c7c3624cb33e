"""Writing what was checked.

`write` appends what is new, in order, with the ids, times and actors that it came with. If the process dies in between,
importing again goes on where it stopped.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...domain.ids import SessionId, Version
from ...log.log import Log
from ...log.records import Append, Appended, Draft
from .checking import Tick
from .import_entry import ImportEntry

MAX_APPEND_DRAFTS = 500
MAX_APPEND_BYTES = 2**20
MAX_UNDER_WAY_BYTES = 16 * MAX_APPEND_BYTES

Key = tuple[SessionId, str]


async def write(log: Log, entries: Iterable[ImportEntry], heads: dict[SessionId, Version], tick: Tick) -> None:
    """Append what the log does not have. Call it with what `check` found, while nobody else writes the log."""
    under_way: deque[_UnderWay] = deque()
    for run in _runs(entry for entry in entries if entry.event.version > heads[entry.event.session]):
        append, keys = await _append(log, run, set().union(*(each.keys for each in under_way)))
        under_way.append(_UnderWay(log.append(append), keys, sum(len(draft.data) for draft in append.drafts)))
        while sum(each.size for each in under_way) >= MAX_UNDER_WAY_BYTES:
            tick(len((await under_way.popleft().answer).versions))
    for each in under_way:
        tick(len((await each.answer).versions))


class _UnderWay(NamedTuple):
    answer: "asyncio.Future[Appended]"
    keys: set[Key]
    size: int


def _runs(entries: Iterable[ImportEntry]) -> Iterator[list[ImportEntry]]:
    """Consecutive entries of one session, so many at most as one append takes."""
    run: list[ImportEntry] = []
    size = 0
    for entry in entries:
        if run and (
            entry.event.session != run[0].event.session or len(run) >= MAX_APPEND_DRAFTS or size >= MAX_APPEND_BYTES
        ):
            yield run
            run, size = [], 0
        run.append(entry)
        size += len(entry.stored)
    if run:
        yield run


async def _append(log: Log, run: list[ImportEntry], under_way: set[Key]) -> tuple[Append, set[Key]]:
    """The append, and the keys that it brings in. The first event of each command carries the command's id as its key,
    so that a client that repeats the command gets its first result."""
    first = run[0].event
    causes = {(first.session, entry.event.cause) for entry in run if entry.event.cause}
    taken = under_way | (await log.engine.read_keys(causes)).keys()
    keys: set[Key] = set()
    drafts: list[Draft] = []
    for entry in run:
        cause = entry.event.cause
        is_first = cause is not None and (first.session, cause) not in taken and (first.session, cause) not in keys
        drafts.append(entry.draft(cause if is_first else None))
        if cause is not None and is_first:
            keys.add((first.session, cause))
    return Append(first.session, tuple(drafts), first_version=first.version), keys
