"""When snapshots of sessions are made, and how the fold begins with one.

A session that has grown by `EVERY_EVENTS` since its last snapshot gets the next when nothing has been written to it for
`IDLE_S` seconds, or when the log is closed. One that is never idle gets it when it has grown by `BUSY_EVENTS`, or by a
fourth if that is more: making one takes as long as the state is large, and is to stay a small part of what the events
themselves take. One is made at a time, in pieces between turns of the loop; those that cannot be kept are given up, for
nothing depends on them.

Only what was folded without a hole gets one. Such a history never changes: each of its versions is taken.
"""

import asyncio
import logging
from collections.abc import Sequence

from ...domain.ids import SessionId, Version
from ...domain.state import State
from ..engine import Engine
from ..records import Record, Snapshot
from .snapshots import code_of_fold, decode, encode

EVERY_EVENTS = 1_000
BUSY_EVENTS = 10_000
BUSY_PART = 4
IDLE_S = 2.0
CLOSING_S = 1.0
"""For which a log that is closed waits for snapshots."""

_logger = logging.getLogger(__name__)


class StateSnapshots:
    """The snapshots of one log. All methods are called on its loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._last: dict[SessionId, int] = {}
        """The version of each session's last snapshot, where there is one."""
        self._sparse: set[SessionId] = set()
        """Sessions with holes, which get none."""
        self._grown: dict[SessionId, State] = {}
        """Those that get one as soon as they are idle."""
        self._seen: dict[SessionId, int] = {}
        """At which versions these were when they were looked at last."""
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: dict[SessionId, State] = {}
        self._work: asyncio.Task[None] | None = None

    async def begin(self, session: SessionId, upto: int) -> State:
        """The state that the fold of a session up to a version begins with: a snapshot's, or that of no events."""
        code = code_of_fold()
        found = await self._engine.read_snapshot(session, code) if code and session not in self._sparse else None
        if found is None or found.version > upto:
            return State(session)
        state = await _decoded(found)
        if state is None:
            return State(session)
        self._last[session] = found.version
        return state

    def check(self, state: State, page: Sequence[Record]) -> None:
        """See whether a page that is to be folded goes on where the state ends, without a hole."""
        dense = page[0].version == state.version + 1 and page[-1].version == state.version + len(page)
        if not dense:
            self._sparse.add(state.id)

    def offer(self, state: State) -> None:
        """Make a snapshot of a state that is in the log, when it is time."""
        growth = state.version - self._last.get(state.id, 0)
        if growth < EVERY_EVENTS or not self._engine.writable or state.id in self._sparse:
            return
        self._grown[state.id] = state
        if growth >= max(BUSY_EVENTS, state.version // BUSY_PART):
            self._make([state.id])
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._look_for_idle)

    def forget(self, session: SessionId) -> None:
        """Make none of what is known of a session: it may be wrong."""
        self._grown.pop(session, None)
        self._waiting.pop(session, None)

    async def close(self) -> None:
        """Make those that are due, for a while."""
        if self._timer is not None:
            self._timer.cancel()
        self._make(list(self._grown))
        if self._work is not None:
            await asyncio.wait([self._work], timeout=CLOSING_S)
            self._waiting.clear()
            await asyncio.wait([self._work])  # the one that is being made needs the engine

    def _look_for_idle(self) -> None:
        idle = [id for id, state in self._grown.items() if self._seen.get(id) == state.version]
        self._make(idle)
        self._seen = {id: state.version for id, state in self._grown.items()}
        self._timer = asyncio.get_running_loop().call_later(IDLE_S, self._look_for_idle) if self._grown else None

    def _make(self, sessions: Sequence[SessionId]) -> None:
        for id in sessions:
            state = self._waiting[id] = self._grown.pop(id)
            self._last[id] = state.version
        if self._waiting and code_of_fold() and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._keep_waiting())

    async def _keep_waiting(self) -> None:
        while self._waiting:
            state = self._waiting.pop(next(iter(self._waiting)))
            try:
                await self._engine.write_snapshot(await _encoded(state))
            except Exception as failure:  # such as a chain of signals that is too long to be written in one go
                _logger.info("session %s gets no snapshot: %r", state.id, failure)


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
