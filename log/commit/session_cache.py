"""What the committer knows without asking the storage: folded sessions, heads, producers.

All of these are caches of the log: anything may be forgotten at any time and is read again when it is needed. They are
brought forward by what was committed here, and by other processes' events as the tail reads them. A batch takes what
it needs from them before it is planned, and so does not mind what they forget meanwhile.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ...domain.errors import LogUnreadable, NotFound
from ...domain.ids import Position, SessionId, Version
from ...domain.session import as_origin
from ...domain.state import State
from ..engine import Engine
from ..lineage import Lineage
from ..paging import ENDLESS
from ..records import ANYTHING, Batch, ProducerState, Record
from ..weighted_cache import WeightedCache
from .folding import fold_on, read_on
from .outlines import Outlines
from .past_states import PastStates
from .state_snapshots import StateSnapshots

UNKNOWN_PRODUCER = ProducerState(0, -1, Position(0))
ALWAYS_KEPT = 1_000
"""Sessions that are kept whatever they weigh."""
MAX_NAMES = 500
"""Subjects, and producers, that are remembered of one session."""
MOST_NAMES = 500_000
"""… and of all, beyond `ALWAYS_KEPT` sessions."""
MOST_EVENTS = 1_000_000
"""Events that sessions beyond `ALWAYS_KEPT` may consist of: a state is at most about as large as its events are
many, since each message leaves something in it, but for its document."""

Heads = dict[tuple[SessionId, str], Version]
Producers = dict[tuple[SessionId, str], ProducerState]


@dataclass(eq=False)
class _Watch:
    """What happens to a session while it is being read: how far it went, and whether what it had was changed."""

    version: int = 0
    rewritten: bool = False


class SessionCache:
    """Sessions folded to their last event, the least recently written or loaded forgotten first."""

    def __init__(self, lineage: Lineage, capacity: int, snapshots: StateSnapshots) -> None:
        self.lineage = lineage
        self._snapshots = snapshots
        self._states = WeightedCache[SessionId, State](MOST_EVENTS, most=capacity, at_least=ALWAYS_KEPT)
        self.past = PastStates(lineage, self._states.get)
        """Sessions as they were."""
        self.outlines = Outlines(lineage)
        """What is open in sessions as they were."""
        self._watches: dict[SessionId, list[_Watch]] = {}
        self.get = self._states.get
        """The state of a session, if it is cached."""

    def __len__(self) -> int:
        return len(self._states)

    def put(self, state: State) -> None:
        """Take over a state that is in the log now."""
        if self._watches:
            self._watch_version(state.id, state.version)
        self._keep(state)

    def forget(self, session: SessionId) -> None:
        """Drop what is known of a session, because its history may have changed."""
        for watch in self._watches.get(session, ()):
            watch.rewritten = True
        self._states.pop(session)
        self._snapshots.forget(session)
        self.past.forget(session)
        self.outlines.forget(session)

    async def load(self, session: SessionId) -> State:
        """Read and fold a session to its end, going on from what is cached.

        What is committed meanwhile, here or elsewhere, is in the result, if this process has heard of it. Raises
        LogUnreadable when the session holds what cannot be folded.
        """
        watch = _Watch()
        self._watches.setdefault(session, []).append(watch)
        try:
            begin = self.get(session) or await self._snapshots.begin(session, ENDLESS)
            state = await read_on(self.lineage, begin, on_page=self._snapshots.check)
            # Events may be committed while it is read, behind the last page: without looking, `load` would return a
            # state that lacks what its caller has been told is in the log.
            while watch.rewritten or state.version < watch.version:
                state = State(session) if watch.rewritten else state
                watch.rewritten = False
                state = await read_on(self.lineage, state, on_page=self._snapshots.check)
        finally:
            self._watches[session].remove(watch)
            if not self._watches[session]:
                del self._watches[session]
        newest = self.get(session)  # another `load`, or a commit, may have come further meanwhile
        if newest is not None and newest.version >= state.version:
            return newest
        self._keep(state)
        return state

    async def origin(self, fork: SessionId, session: SessionId, at: Version | None) -> State:
        """A session as it was at a version, or is now, as the state that a fork begins with. Raises NotFound."""
        state = self.get(session) or await self.load(session)
        if at is not None and at < state.version:
            state = await self.past.at(session, at)
        if state.session.status == "none":
            raise NotFound(f"There is no session {session!r} to fork.")
        if at is not None and at > state.version:
            raise NotFound(f"Session {session!r} ends at version {state.version}; there is no {at} to fork it at.")
        return as_origin(state, fork)

    def follow(self, records: Iterable[Record]) -> None:
        """Bring the cached sessions forward by records that no command of this process wrote."""
        for record in records:
            self._watch_version(record.session, record.version)
            state = self._states.get(record.session)
            if state is None or record.version <= state.version:
                continue
            # Out first: a state that cannot be folded on, or has a hole before this event, must not stay as the newest.
            self._states.pop(record.session)
            if record.version == state.version + 1:
                with suppress(LogUnreadable):
                    self._keep(fold_on(state, (record,)))

    def _watch_version(self, session: SessionId, version: Version) -> None:
        for watch in self._watches.get(session, ()):
            watch.version = max(watch.version, version)

    def _keep(self, state: State) -> None:
        self._states.put(state.id, state, state.version)
        self._snapshots.offer(state)


@dataclass(slots=True)
class _SessionHeads:
    heads: dict[str, Version] = field(default_factory=dict)
    producers: dict[str, ProducerState] = field(default_factory=dict)


class HeadCache:
    """Heads and producers by session; those of the least recently used sessions are forgotten first."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine = engine
        self._sessions = WeightedCache[SessionId, _SessionHeads](MOST_NAMES, most=capacity, at_least=ALWAYS_KEPT)

    def version(self, session: SessionId) -> Version | None:
        """The session's version, if it is cached."""
        known = self._sessions.get(session)
        return None if known is None else known.heads.get(ANYTHING)

    async def find(
        self, heads: Iterable[tuple[SessionId, str]], producers: Iterable[tuple[SessionId, str]]
    ) -> tuple[Heads, Producers]:
        """What stands at each of these: a subject that nothing is about at 0, an unknown producer at
        `UNKNOWN_PRODUCER`."""
        found_heads: Heads = {}
        found_producers: Producers = {}
        unknown_heads, unknown_producers = [], []
        for head in dict.fromkeys(heads):
            version = self._of(head[0]).heads.get(head[1])
            if version is None:
                unknown_heads.append(head)
            else:
                found_heads[head] = version
        for producer in dict.fromkeys(producers):
            state = self._of(producer[0]).producers.get(producer[1])
            if state is None:
                unknown_producers.append(producer)
            else:
                found_producers[producer] = state
        if unknown_heads:
            found = await self._engine.read_heads(unknown_heads)
            found_heads |= self._keep_heads({head: found.get(head, Version(0)) for head in unknown_heads})
        if unknown_producers:
            states = await self._engine.read_producers(unknown_producers)
            read = {each: states.get(each, UNKNOWN_PRODUCER) for each in unknown_producers}
            found_producers |= self._keep_producers(read)
        return found_heads, found_producers

    def advance(self, batch: Batch) -> None:
        """Take over what was committed."""
        self._keep_heads(batch.heads)
        self._keep_producers(batch.producers)

    def forget(self, session: SessionId) -> None:
        """Drop what is known of a session."""
        self._sessions.pop(session)

    def follow(self, records: Iterable[Record]) -> None:
        """Take over what was written elsewhere: forget the sessions that changed."""
        for record in records:
            self.forget(record.session)

    def _of(self, session: SessionId) -> _SessionHeads:
        known = self._sessions.get(session)
        if known is None:
            known = _SessionHeads()
            self._sessions.put(session, known, 0)
        else:
            self._sessions.touch(session)
        return known

    def _keep_heads(self, heads: Heads) -> Heads:
        last, known = None, _SessionHeads()
        for (session, subject), version in heads.items():
            if session is not last:  # most often two or more in a row are of one session
                last, known = session, self._of(session)
            if subject not in known.heads:
                self._grow(session, known, known.heads)
            known.heads[subject] = version
        return heads

    def _keep_producers(self, producers: Producers) -> Producers:
        for (session, producer), state in producers.items():
            known = self._of(session)
            if producer not in known.producers:
                self._grow(session, known, known.producers)
            known.producers[producer] = state
        return producers

    def _grow(self, session: SessionId, known: _SessionHeads, names: dict[str, Any]) -> None:
        """Make room for one name more."""
        if len(names) >= MAX_NAMES:
            names.clear()
        self._sessions.put(session, known, len(known.heads) + len(known.producers) + 1)
