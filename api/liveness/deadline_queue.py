"""The agenda: what is due next in the sessions that live, and who is waited for.

A heap with one entry that counts for each session: the earliest of its deadlines. Entries that were overtaken are
passed over when they come up, and the heap is built anew when they are too many.
"""

import heapq
from collections import Counter
from collections.abc import Sequence

from ...domain.ids import ParticipantId, SessionId
from ...domain.model import Deadline


class DeadlineQueue:
    """Deadlines by session. Times are on whatever clock the caller has."""

    def __init__(self) -> None:
        self._deadlines: dict[SessionId, Sequence[Deadline]] = {}
        self._times: dict[SessionId, float] = {}
        self._heap: list[tuple[float, SessionId]] = []
        self._waited_for: Counter[ParticipantId] = Counter()

    def __len__(self) -> int:
        return len(self._deadlines)

    def put(self, session: SessionId, deadlines: Sequence[Deadline]) -> None:
        """Take over a session's deadlines in place of those known before; none: it rests."""
        for each in _silences(self._deadlines.pop(session, ())):
            self._waited_for[each] -= 1
            if not self._waited_for[each]:
                del self._waited_for[each]
        self._times.pop(session, None)
        if deadlines:
            self._deadlines[session] = deadlines
            self._waited_for.update(_silences(deadlines))

    def of(self, session: SessionId) -> Sequence[Deadline]:
        """What is known of a session."""
        return self._deadlines.get(session, ())

    def schedule(self, session: SessionId, at: float) -> None:
        """Come back to a session at this time."""
        if session not in self._deadlines:
            return
        self._times[session] = at
        if len(self._heap) > 2 * len(self._times) + 100:
            self._heap = [(when, each) for each, when in self._times.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (at, session))

    def due(self, now: float, most: int) -> list[SessionId]:
        """Sessions whose time has come, at most so many; they are to be scheduled again."""
        found: list[SessionId] = []
        while self._heap and self._heap[0][0] <= now and len(found) < most:
            at, session = heapq.heappop(self._heap)
            if self._times.get(session) == at:
                del self._times[session]
                found.append(session)
        return found

    def next(self) -> float | None:
        """When something is due next, at the earliest."""
        return self._heap[0][0] if self._heap else None

    def waited_for(self) -> list[ParticipantId]:
        """Those whose silence would have consequences."""
        return list(self._waited_for)


def _silences(deadlines: Sequence[Deadline]) -> list[ParticipantId]:
    return [each.silence for each in deadlines if each.silence is not None]
