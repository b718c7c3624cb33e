"""Writing what was checked.

`write` appends what is new, in order, with the ids, times and actors that it came with. If the process dies in between,
importing again goes on where it stopped.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from ...domain.concepts.lifecycle import SessionLabelled
from ...domain.envelope import encode, microseconds, timestamp
from ...domain.ids import SessionId, new_id
from ...domain.model import TIMEKEEPER, Fact
from ...domain.state import State
from ...log.log import Log
from ...log.records import Append, Appended, Draft
from .checking import Findings, Tick
from .import_entry import ImportEntry

MAX_APPEND_DRAFTS = 500
MAX_APPEND_BYTES = 2**20
MAX_UNDER_WAY_BYTES = 16 * MAX_APPEND_BYTES

AS_RECORDED = "as-recorded"
"""The label of a session that has events which the rules would not have written."""
MAX_LABEL = 256

Key = tuple[SessionId, str]


async def write(log: Log, entries: Iterable[ImportEntry], findings: Findings, tick: Tick) -> None:
    """Append what the log does not have. Call it with what `check` found, while nobody else writes the log. A session
    with events that the rules would not have written is labelled."""
    under_way: deque[_UnderWay] = deque()
    heads = findings.heads
    for run in _runs(entry for entry in entries if entry.event.version > heads[entry.event.session]):
        append, keys = await _append(log, run, set().union(*(each.keys for each in under_way)))
        under_way.append(_UnderWay(log.append(append), keys, sum(len(draft.data) for draft in append.drafts)))
        while sum(each.size for each in under_way) >= MAX_UNDER_WAY_BYTES:
            tick(len((await under_way.popleft().answer).versions))
    for each in under_way:
        tick(len((await each.answer).versions))
    for session, deviations in findings.deviations.items():
        if AS_RECORDED not in findings.states[session].session.labels:
            await log.append(_label(findings.states[session], deviations))


class _UnderWay(NamedTuple):
    answer: "asyncio.Future[Appended]"
    keys: set[Key]
    size: int


def _label(state: State, deviations: list[str]) -> Append:
    """Says in the session that not all of it is what the rules would have written."""
    count = f"{len(deviations):,} event{'' if len(deviations) == 1 else 's'}"
    data = SessionLabelled(set={AS_RECORDED: f"{count}, the first is {deviations[0]}"[:MAX_LABEL]})
    time = max(datetime.now(UTC), state.time)
    stored = encode(new_id(), Fact(data), timestamp(time), TIMEKEEPER.id)
    return Append(state.id, (Draft(data.type, data.subject(), stored, microseconds(time)),))


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
