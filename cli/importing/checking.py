"""Checking what is to be imported, before anything is written.

`check` goes through everything once: each session must go on without a hole from the log's last version, what the log
already has must be the same, and all of it must fold.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...domain.concepts.custom import APPLICATION_PATTERN
from ...domain.errors import Conflict, Invalid
from ...domain.ids import SessionId, Version
from ...domain.session import evolve
from ...domain.state import State
from ...log.commit.folding import fold_records
from ...log.log import Log
from ...log.records import ANYTHING, Record
from .import_entry import ImportEntry

PAGE_EVENTS = 1_000

Tick = Callable[[int], None]
"""Told how many more events are done."""


@dataclass
class Findings:
    """What an import comes to: events that are new, events that the log has, and where each session stood before."""

    new: int
    known: int
    heads: dict[SessionId, Version]


class _Session:
    """One session during the check, folded up to the last event that was looked at."""

    def __init__(self, log: Log, state: State, head: Version) -> None:
        self.state = state
        self.head = head
        self._log = log
        self._page: deque[Record] = deque()

    async def known(self, version: int) -> Record:
        """The log's own event of this version; versions are asked for in order."""
        while not self._page or self._page[0].version < version:
            if self._page:
                self._page.popleft()
            else:
                self._page.extend(await self._log.read_session(self.state.id, version - 1, PAGE_EVENTS))
        return self._page[0]


async def check(log: Log, entries: Iterable[ImportEntry], tick: Tick) -> Findings:
    """See whether all of it can be imported. Raises Invalid and Conflict, naming the first entry that cannot."""
    sessions: dict[SessionId, _Session] = {}
    findings = Findings(0, 0, {})
    for number, entry in enumerate(entries, 1):
        session = sessions.get(entry.event.session)
        if session is None:
            session = sessions[entry.event.session] = await _begin(log, entry)
            findings.heads[entry.event.session] = session.head
        if await _is_known(session, entry):
            findings.known += 1
        else:
            findings.new += 1
        session.state = _folded(session.state, entry)
        tick(1)
        if number % PAGE_EVENTS == 0:
            await asyncio.sleep(0)
    if not sessions:
        raise Invalid("There is nothing to import: not one event was read.")
    return findings


async def _begin(log: Log, entry: ImportEntry) -> _Session:
    id, first = entry.event.session, entry.event.version
    heads = await log.engine.read_heads([(id, ANYTHING)])
    head = heads.get((id, ANYTHING), Version(0))
    if first > head + 1:
        stands = f"stands at version {head} in the log" if head else "is not in the log"
        raise Invalid(f"{entry.origin}: begins at version {first}, but session {id!r} {stands}; the start is missing.")
    state = State(id)
    while state.version < first - 1:
        page = await log.read_session(id, state.version, min(PAGE_EVENTS, first - 1 - state.version))
        state = fold_records(state, page)
    return _Session(log, state, head)


async def _is_known(session: _Session, entry: ImportEntry) -> bool:
    """Whether the log has the event. Raises where it does not follow on the one before, or differs from the log's."""
    version = entry.event.version
    after = session.state.version
    if version != after + 1:
        raise Invalid(
            f"{entry.origin}: version {version} of session {session.state.id!r} comes after version {after}; "
            "a session is imported whole and in order, as one exports it who may see everything."
        )
    if version > session.head:
        return False
    if not entry.is_at(await session.known(version)):
        raise Conflict(
            f"{entry.origin}: the log has another event as version {version} of session {session.state.id!r}; "
            "import into another log, or under another id with --session."
        )
    return True


def _folded(state: State, entry: ImportEntry) -> State:
    try:
        folded = evolve(state, entry.event)
    except Exception as error:
        raise Invalid(f"{entry.origin}: {entry.event.type} does not follow from what was before ({error!r}).") from None
    if folded.session.status == "none" and not re.match(APPLICATION_PATTERN, entry.event.type):
        raise Invalid(f"{entry.origin}: a session begins with session.opened, not with {entry.event.type}.")
    return folded
