"""Checking what is to be imported, before anything is written.

`check` goes through everything once. Each session must go on without a hole from the log's last version, or begin as a
fork of one that is there; what the log already has must be the same; no id may come twice; all of it must fold, and be
what the rules would have written, unless it is taken as it was recorded.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ...domain.concepts.custom import APPLICATION_PATTERN
from ...domain.concepts.lifecycle import SessionForked
from ...domain.conformance.check import violation
from ...domain.errors import Conflict, Invalid
from ...domain.ids import SessionId, Version
from ...domain.session import as_origin, evolve
from ...domain.state import State
from ...log.log import Log
from ...log.records import ANYTHING
from .checked_session import CheckedSession
from .forks import Fork, ForkPoints
from .import_entry import ImportEntry

TURN_EVENTS = 1_000

Tick = Callable[[int], None]
"""Told how many more events are done."""


@dataclass
class Findings:
    """What an import comes to, by session: events that are new, events that the log has, and up to where it is not to
    be written, since the log has that, or since it is a fork which shares it. `deviations` are the events that the
    rules would not have written, each with what is wrong; `states` are the sessions afterwards."""

    new: Counter[SessionId] = field(default_factory=Counter)
    known: Counter[SessionId] = field(default_factory=Counter)
    heads: dict[SessionId, Version] = field(default_factory=dict)
    deviations: dict[SessionId, list[str]] = field(default_factory=dict)
    states: dict[SessionId, State] = field(default_factory=dict)


async def check(
    log: Log, entries: Iterable[ImportEntry], forks: Iterable[Fork], tick: Tick, *, as_recorded: bool = False
) -> Findings:
    """See whether all of it can be imported; `forks` are those among it. Raises Invalid and
    Conflict, naming the first entry that cannot; with `as_recorded`, what the rules would not have written is told
    only."""
    return await _Check(log, ForkPoints(forks), as_recorded).run(entries, tick)


class _Check:
    def __init__(self, log: Log, points: ForkPoints, as_recorded: bool) -> None:
        self._log = log
        self._points = points
        self._as_recorded = as_recorded
        self._sessions: dict[SessionId, CheckedSession] = {}
        self._ids: dict[str, SessionId] = {}
        """By id, the session of this import that has it first."""
        self._findings = Findings()

    async def run(self, entries: Iterable[ImportEntry], tick: Tick) -> Findings:
        for number, entry in enumerate(entries, 1):
            session = self._sessions.get(entry.event.session)
            if session is None:
                session = self._sessions[entry.event.session] = await self._begin(entry)
            await self._take(session, entry)
            tick(1)
            if number % TURN_EVENTS == 0:
                await asyncio.sleep(0)
        if not self._sessions:
            raise Invalid("There is nothing to import: not one event was read.")
        for session in self._sessions.values():
            self._judge_doubles(session)
            self._findings.new[session.state.id] = session.new
            self._findings.known[session.state.id] = session.known
            self._findings.heads[session.state.id] = session.upto
            self._findings.states[session.state.id] = session.state
        return self._findings

    async def _begin(self, entry: ImportEntry) -> CheckedSession:
        id, first = entry.event.session, entry.event.version
        head = (await self._log.engine.read_heads([(id, ANYTHING)])).get((id, ANYTHING), Version(0))
        session = CheckedSession(self._log, State(id), head)
        if first <= head + 1:
            await session.read_until(Version(first - 1))
        elif not head and isinstance(entry.event.data, SessionForked):
            await self._fork(session, entry, entry.event.data)
        else:
            stands = f"stands at version {head} in the log" if head else "is not in the log"
            raise Invalid(
                f"{entry.origin}: begins at version {first}, but session {id!r} {stands}; the start is missing."
            )
        return session

    async def _fork(self, session: CheckedSession, entry: ImportEntry, data: SessionForked) -> None:
        """Begin a fork with what it shares: its origin is in the log, or came before it."""
        at = Version(data.at)
        state = await self._points.state(self._log, data.origin, at)
        if state is None or at != entry.event.version - 1:
            raise Invalid(
                f"{entry.origin}: forks session {data.origin!r} at version {at}, which is neither in the log nor "
                "before this line; import that session first, or export the fork by its name, which exports all of it."
            )
        session.state = as_origin(state, entry.event.session)
        session.digest = await self._points.digest(self._log, data.origin, at) or b""
        session.upto = at

    async def _take(self, session: CheckedSession, entry: ImportEntry) -> None:
        """One event more. Raises where it does not follow on the one before, or differs from the log's."""
        event, after = entry.event, session.state.version
        if event.version != after + 1:
            raise Invalid(
                f"{entry.origin}: version {event.version} of session {event.session!r} comes after version {after}; "
                "a session is imported whole and in order, as one exports it who may see everything."
            )
        is_known = event.version <= session.head
        if is_known and not entry.is_at(await session.stored(event.version)):
            raise Conflict(
                f"{entry.origin}: the log has another event as version {event.version} of session {event.session!r}; "
                "import into another log, or under another id with --session."
            )
        await self._share(session, entry)
        self._note_id(session, entry, is_known)
        folded = _folded(session.state, entry)
        self._note_deviation(session, entry, is_known)
        session.state = folded
        session.took(entry, is_known)
        self._points.note(session.state, session.digest)

    async def _share(self, session: CheckedSession, entry: ImportEntry) -> None:
        """A fork that comes whole shares its beginning with its origin again, if that is the same."""
        data, before = entry.event.data, session.state.version
        if not isinstance(data, SessionForked) or not before or session.head or data.at != before:
            return
        if await self._points.digest(self._log, data.origin, before) == session.digest:
            session.share(before)

    def _note_id(self, session: CheckedSession, entry: ImportEntry, is_known: bool) -> None:
        event = entry.event
        is_others = self._ids.setdefault(event.id, event.session) != event.session
        is_double = session.has_id(event.id) or is_others
        if is_double and (self._as_recorded or not is_known):
            session.doubles.append((event.version, f"{entry.origin}: another event has the id {event.id!r}"))

    def _judge_doubles(self, session: CheckedSession) -> None:
        if session.doubles and not self._as_recorded:
            raise Invalid(f"{session.doubles[0][1]}. --as-recorded takes it as it is.")
        for version, said in session.doubles:
            self._deviates(session.state.id, version, said.partition(": ")[2])

    def _deviates(self, session: SessionId, version: int, said: str) -> None:
        self._findings.deviations.setdefault(session, []).append(f"version {version}: {said}")

    def _note_deviation(self, session: CheckedSession, entry: ImportEntry, is_known: bool) -> None:
        said = violation(session.state, entry.event)
        if said is None:
            return
        if self._as_recorded:
            self._deviates(session.state.id, entry.event.version, f"{entry.event.type} {said}")
        elif not is_known:  # what the log has already was taken once
            raise Invalid(
                f"{entry.origin}: {entry.event.type} {said}; the rules would not have written this. "
                "--as-recorded takes it as it is."
            )


def _folded(state: State, entry: ImportEntry) -> State:
    try:
        folded = evolve(state, entry.event)
    except Exception as error:
        raise Invalid(f"{entry.origin}: {entry.event.type} does not follow from what was before ({error!r}).") from None
    if folded.session.status == "none" and not re.match(APPLICATION_PATTERN, entry.event.type):
        raise Invalid(f"{entry.origin}: a session begins with session.opened, not with {entry.event.type}.")
    return folded
