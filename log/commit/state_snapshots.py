"""When snapshots of sessions are made, and how the fold begins with one.

A session that has grown by `EVERY_EVENTS` since its last snapshot, or by a sixteenth if that is more, gets the next: a
snapshot takes as long as the state is large, and so stays a small part of what the events themselves take. One is made
at a time, in pieces between turns of the loop; those that cannot be kept are given up, for nothing depends on them.

Only what was folded without a hole gets one. Such a history never changes: each of its versions is taken.
"""

import asyncio
import logging
from collections.abc import Sequence

from ...domain.ids import SessionId, Version
from ...domain.state import State
from ..engine import Engine
from ..records import Record, Snapshot
from ..snapshots import code_of_fold, decode, encode

EVERY_EVENTS = 2_000
PART_OF_SESSION = 16

_logger = logging.getLogger(__name__)


class StateSnapshots:
    """The snapshots of one log. All methods are called on its loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due: dict[SessionId, int] = {}
        """At which version a session gets its next snapshot, where that is not the first."""
        self._sparse: set[SessionId] = set()
        """Sessions with holes, which get none."""
        self._waiting: dict[SessionId, State] = {}
        self._work: asyncio.Task[None] | None = None

    async def begin(self, session: SessionId, upto: int) -> State:
        """The state that the fold of a session up to a version begins with: a snapshot's, or that of no events."""
        code = code_of_fold()
        found = await self._engine.read_snapshot(session, code) if code and session not in self._sparse else None
        if found is None or found.version > upto:
            return State(session)
        state = await _decoded(found)
        self._due[session] = _next(found.version)
        return state or State(session)

    def check(self, state: State, page: Sequence[Record]) -> None:
        """See whether a page that is to be folded goes on where the state ends, without a hole."""
        dense = page[0].version == state.version + 1 and page[-1].version == state.version + len(page)
        if not dense:
            self._sparse.add(state.id)

    def offer(self, state: State) -> None:
        """Make a snapshot of a state that is in the log, if it is time."""
        if state.version < self._due.get(state.id, EVERY_EVENTS) or not self._engine.writable:
            return
        self._due[state.id] = _next(state.version)
        if state.id not in self._sparse and code_of_fold():
            self._waiting[state.id] = state
            if self._work is None or self._work.done():
                self._work = asyncio.create_task(self._keep_waiting())

    async def close(self) -> None:
        """Finish the one that is being made, and give up the rest."""
        self._waiting.clear()
        if self._work is not None:
            await asyncio.wait([self._work])

    async def _keep_waiting(self) -> None:
        while self._waiting:
            state = self._waiting.pop(next(iter(self._waiting)))
            try:
                await self._engine.write_snapshot(await _encoded(state))
            except Exception as failure:  # such as a chain of signals that is too long to be written in one go
                _logger.info("session %s gets no snapshot: %r", state.id, failure)


def _next(version: int) -> int:
    return version + max(EVERY_EVENTS, version // PART_OF_SESSION)


async def _encoded(state: State) -> Snapshot:
    pieces = []
    for piece in encode(state):
        pieces.append(piece)
        await asyncio.sleep(0)  # all at once would hold the loop for as long as the session is large
    return Snapshot(state.id, state.version, code_of_fold(), b"".join(pieces))


async def _decoded(snapshot: Snapshot) -> State | None:
    """The state; None where its bytes are not what was written."""
    state = None
    try:
        for found in decode(snapshot.data):
            state = found
            await asyncio.sleep(0)
    except Exception as fault:
        _logger.info("the snapshot of session %s cannot be read: %r", snapshot.session, fault)
        return None
    whole = state is not None and (state.id, state.version) == (snapshot.session, Version(snapshot.version))
    return state if whole else None
