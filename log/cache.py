"""What the planner knows without asking the storage: folded sessions, heads, producers.

All three are caches of the log: anything may be forgotten at any time and is read again when it is needed. They are
brought forward by what was committed here, and by other processes' events as the tail reads them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from ..domain.envelope import decode
from ..domain.ids import Position, SessionId, Version
from ..domain.session import State, evolve
from .engine import Engine
from .records import Batch, ProducerMark, Record

PAGE = 1_000
NO_MARK = ProducerMark(0, -1, Position(0))


class Sessions:
    """Sessions folded to their last event, the least recently used forgotten first."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine = engine
        self._capacity = capacity
        self._states: OrderedDict[SessionId, State] = OrderedDict()

    def get(self, session: SessionId) -> State | None:
        """The session's state, if it is at hand."""
        state = self._states.get(session)
        if state is not None:
            self._states.move_to_end(session)
        return state

    def put(self, state: State) -> None:
        """Keep a state in place of the session's earlier one."""
        self._states[state.id] = state
        self._states.move_to_end(state.id)
        if len(self._states) > self._capacity:
            self._states.popitem(last=False)

    def forget(self, session: SessionId) -> None:
        """Drop what is known of a session."""
        self._states.pop(session, None)

    async def load(self, session: SessionId) -> State:
        """Read and fold a session to its end, going on from what is at hand."""
        state = self.get(session) or State(session)
        while True:
            page = await self._engine.read_session(session, state.version, PAGE)
            state = fold_records(state, page)
            if len(page) < PAGE:
                newest = self.get(session)
                if newest is None or newest.version < state.version:
                    self.put(state)
                    newest = state
                return newest
            await asyncio.sleep(0)

    def follow(self, records: Iterable[Record]) -> None:
        """Bring the sessions at hand forward by records that were written elsewhere."""
        for record in records:
            state = self._states.get(record.session)
            if state is not None and record.version == state.version + 1:
                self._states[record.session] = fold_records(state, (record,))
            elif state is not None and record.version > state.version:
                self.forget(record.session)


def fold_records(state: State, records: Iterable[Record]) -> State:
    """Fold stored events."""
    for record in records:
        state = evolve(state, decode(record.data, record.position, record.session, record.version))
    return state


class Places:
    """Heads and producers by session; those of the least recently used sessions are forgotten first."""

    def __init__(self, engine: Engine, capacity: int) -> None:
        self._engine = engine
        self._capacity = capacity
        self._heads: OrderedDict[SessionId, dict[str, Version]] = OrderedDict()
        self._producers: dict[tuple[SessionId, str], ProducerMark] = {}

    def head(self, session: SessionId, subject: str) -> Version | None:
        """The subject's head: 0 when nothing is about it, None when it is not at hand."""
        heads = self._heads.get(session)
        return None if heads is None else heads.get(subject)

    def producer(self, session: SessionId, producer: str) -> ProducerMark | None:
        """The producer's last append, if it is at hand; epoch 0 when it has none."""
        return self._producers.get((session, producer))

    async def load(self, heads: set[tuple[SessionId, str]], producers: set[tuple[SessionId, str]]) -> None:
        """Read what is named here from the storage."""
        if heads:
            found = await self._engine.read_heads(heads)
            for session, subject in heads:
                self._put_head(session, subject, found.get((session, subject), Version(0)))
        if producers:
            marks = await self._engine.read_producers(producers)
            for producer in producers:
                self._producers[producer] = marks.get(producer, NO_MARK)

    def advance(self, batch: Batch) -> None:
        """Take over what was committed."""
        for (session, subject), version in batch.heads.items():
            self._put_head(session, subject, version)
        self._producers.update(batch.producers)

    def follow(self, records: Iterable[Record]) -> None:
        """Take over what was written elsewhere: forget the sessions that changed."""
        for record in records:
            self._heads.pop(record.session, None)
        self._producers.clear()

    def _put_head(self, session: SessionId, subject: str, version: Version) -> None:
        heads = self._heads.get(session)
        if heads is None:
            heads = self._heads[session] = {}
            if len(self._heads) > self._capacity:
                gone, _ = self._heads.popitem(last=False)
                for key in [key for key in self._producers if key[0] == gone]:
                    del self._producers[key]
        heads[subject] = version
