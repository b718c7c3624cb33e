"""The queue of deadlines: what is due next in the sessions that have any, and whose silence matters.

A heap with one valid entry for each session: the earliest of its deadlines. Outdated entries are skipped when they come
up, and the heap is built again when they are too many.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from ...domain.ids import SessionId
from ...domain.model import Deadline
from .last_seen import vouched_in


class DeadlineQueue:
    """Deadlines by session. Times are on whatever clock the caller has."""

    def __init__(self) -> None:
        self._deadlines: dict[SessionId, Sequence[Deadline]] = {}
        self._times: dict[SessionId, float] = {}
        self._heap: list[tuple[float, SessionId]] = []
        self._waited_for: dict[str, Counter[float]] = {}

    def __len__(self) -> int:
        return len(self._deadlines)

    def put(self, session: SessionId, deadlines: Sequence[Deadline]) -> None:
        """Replace the deadlines of a session; with none it is removed."""
        for instance, after in _silences(self._deadlines.pop(session, ())):
            waits = self._waited_for[instance]
            waits[after] -= 1
            if not waits[after]:
                del waits[after]
            if not waits:
                del self._waited_for[instance]
        self._times.pop(session, None)
        if deadlines:
            self._deadlines[session] = deadlines
            for instance, after in _silences(deadlines):
                self._waited_for.setdefault(instance, Counter())[after] += 1

    def of(self, session: SessionId) -> Sequence[Deadline]:
        """The deadlines of a session."""
        return self._deadlines.get(session, ())

    def schedule(self, session: SessionId, at: float) -> None:
        """The session is due at this time."""
        if session not in self._deadlines:
            return
        self._times[session] = at
        if len(self._heap) > 2 * len(self._times) + 100:
            self._heap = [(when, each) for each, when in self._times.items()]
            heapq.heapify(self._heap)
        else:
            heapq.heappush(self._heap, (at, session))

    def pop_due(self, now: float, limit: int) -> list[SessionId]:
        """Remove and return at most `limit` sessions that are due; the caller schedules them again."""
        found: list[SessionId] = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            at, session = heapq.heappop(self._heap)
            if self._times.get(session) == at:
                del self._times[session]
                found.append(session)
        return found

    def next_due(self) -> float | None:
        """When something is due at the earliest."""
        return self._heap[0][0] if self._heap else None

    def waited_for(self, vouched: Iterable[SessionId] = ()) -> dict[str, float]:
        """The instances whose silence would have consequences, and after how many seconds it has the last of them; and
        the same by what they are called in these sessions, where somebody may vouch for them."""
        found = {instance: max(waits) for instance, waits in self._waited_for.items()}
        for session in vouched:
            for each in self.of(session):
                if each.silence is not None and each.under is None:
                    found[vouched_in(each.silence, session)] = each.after
        return found


def _silences(deadlines: Sequence[Deadline]) -> list[tuple[str, float]]:
    return [(each.silence, each.after) for each in deadlines if each.silence is not None]
