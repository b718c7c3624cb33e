"""Which builds have ended the process that folds views, and when a build has done so too often."""

from collections import defaultdict
from typing import NamedTuple

MAX_CRASHES = 3
"""So many ends of the process in the handlers of one build, within `WITHIN_S` seconds, and it is stopped."""
WITHIN_S = 600.0


class Culprit(NamedTuple):
    """A build of a tenant's view."""

    tenant: str
    build: int


class Crashes:
    """Counts them for one gateway."""

    def __init__(self) -> None:
        self._times: defaultdict[Culprit, list[float]] = defaultdict(list)

    def note(self, culprit: Culprit, now: float) -> int:
        """Count one more; how many there were lately."""
        times = self._times[culprit]
        times[:] = [*[each for each in times if now - each < WITHIN_S], now]
        return len(times)

    def forget(self, culprit: Culprit) -> None:
        """It was stopped; when somebody lets it go on, it has as many chances again."""
        self._times.pop(culprit, None)
