"""What was kept lately, by session, within two bounds: how many there are, and what they weigh together.

A number alone is no bound where one value may be a thousand times as large as another, and a weight alone would let a
few large ones drive out all others. So a few are kept whatever they weigh, and many while they are light.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from ..domain.ids import SessionId

V = TypeVar("V")

ALWAYS_KEPT = 1_000
"""Values that are kept whatever they weigh."""


class WeightedCache(Generic[V]):
    """At most `most` values, and beyond `ALWAYS_KEPT` of them at most `weight` in all. What was put in longest ago goes
    first: looking at a value is done for each command, and does not count."""

    def __init__(self, most: int, weight: int) -> None:
        self._most = most
        self._few = min(ALWAYS_KEPT, most)
        self._limit = weight
        self._weight = 0
        self._values: OrderedDict[SessionId, V] = OrderedDict()
        self._weights: dict[SessionId, int] = {}
        self.get: Callable[[SessionId], V | None] = self._values.get
        """The value of a session, if it is kept."""
        self.touch: Callable[[SessionId], None] = self._values.move_to_end
        """Count a value that is kept as put in now."""

    def __len__(self) -> int:
        return len(self._values)

    def put(self, session: SessionId, value: V, weight: int) -> None:
        """Keep a value in place of an earlier one, or say what it weighs now."""
        values, weights = self._values, self._weights
        self._weight += weight - weights.get(session, 0)
        values[session], weights[session] = value, weight
        values.move_to_end(session)
        while len(values) > self._few and (len(values) > self._most or self._weight > self._limit):
            oldest, _ = values.popitem(last=False)
            self._weight -= weights.pop(oldest)

    def pop(self, session: SessionId) -> V | None:
        """The value, which is kept no longer."""
        self._weight -= self._weights.pop(session, 0)
        return self._values.pop(session, None)
