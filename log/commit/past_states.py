"""Sessions as they were: what forks at a past version begin with, and what the pages of sessions at a moment show.

A state shares with the one before it all that did not change, so a fold leaves some of the states on its way behind
almost for free. The next question about the session goes on from the nearest of them. Of all sessions one is folded at
a time, and what several ask for is folded once.
"""

import asyncio
from bisect import bisect_right, insort
from collections.abc import Callable

from ...domain.ids import SessionId, Version
from ...domain.state import State
from ..lineage import Lineage
from ..single_flight import SingleFlight
from ..weighted_cache import WeightedCache
from .folding import read_on

KEPT_EVERY_EVENTS = 1_000
"""Events between two states that are kept."""
MOST_EVENTS = 200_000
"""Events that the sessions may consist of whose states are kept; that is about 80 MB."""


class _Chain:
    """States of one session, by version; each but the first was folded on from another."""

    def __init__(self) -> None:
        self.states: dict[int, State] = {}
        self.versions: list[int] = []
        self.last: State | None = None
        """The one that was asked for last."""

    def before(self, version: int) -> State | None:
        """The newest at this version or before."""
        if self.last is not None and self.last.version == version:
            return self.last
        place = bisect_right(self.versions, version)
        return self.states[self.versions[place - 1]] if place else None

    def keep(self, state: State) -> None:
        """Keep a state, unless one is near."""
        near = self.before(state.version)
        if state.version - (near.version if near is not None else 0) >= KEPT_EVERY_EVENTS:
            self.states[state.version] = state
            insort(self.versions, state.version)


class PastStates:
    """States of sessions at any version. `present` gives the newest state of a session, if it is at hand."""

    def __init__(self, lineage: Lineage, present: Callable[[SessionId], State | None]) -> None:
        self._lineage = lineage
        self._present = present
        self._chains = WeightedCache[SessionId, _Chain](MOST_EVENTS)
        self._flights = SingleFlight[tuple[SessionId, Version], State]()
        self._folding = asyncio.Lock()

    async def at(self, session: SessionId, version: Version) -> State:
        """The session folded up to a version, or to its end if that comes first. Raises LogUnreadable."""
        begin = self._nearest(session, version)
        if begin.version == version:
            return begin
        return await self._flights.do((session, version), lambda: self._fold(session, version))

    def forget(self, session: SessionId) -> None:
        """Drop what is known of a session, because its history may have changed."""
        self._chains.pop(session)

    def _nearest(self, session: SessionId, version: Version) -> State:
        """The newest state at hand that is not after the version."""
        chain, present = self._chains.use(session), self._present(session)
        if present is not None and present.version <= version:
            return present
        return (chain.before(version) if chain is not None else None) or State(session)

    async def _fold(self, session: SessionId, version: Version) -> State:
        async with self._folding:
            chain = self._chains.use(session)
            if chain is None:
                chain = _Chain()
                self._chains.put(session, chain, 0)
            nearest = self._nearest(session, version)
            state = await read_on(self._lineage, nearest, version, chain.keep, gently=True)
            chain.last = state
            if self._chains.get(session) is chain:  # or it was dropped meanwhile, because its history changed
                newest = chain.versions[-1] if chain.versions else 0
                self._chains.put(session, chain, max(newest, state.version))
        return state
