"""What was used lately, by session, within two bounds: how many there are, and what they weigh together.

A number alone is no bound where one value may be a thousand times as large as another, and a weight alone would let a
few large ones drive out all others. So a few are kept whatever they weigh, and many while they are light.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from ..domain.ids import SessionId

V = TypeVar("V")

FEW = 1_000
"""Values that are kept whatever they weigh."""


class Lately(Generic[V]):
    """At most `most` values, and beyond `FEW` of them at most `weight` in all; the least recently used go first."""

    def __init__(self, most: int, weight: int) -> None:
        self._most = most
        self._few = min(FEW, most)
        self._limit = weight
        self._weight = 0
        self._values: OrderedDict[SessionId, tuple[V, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, session: SessionId) -> V | None:
        """The value, which counts as used now."""
        found = self._values.get(session)
        if found is None:
            return None
        self._values.move_to_end(session)
        return found[0]

    def put(self, session: SessionId, value: V, weight: int) -> None:
        """Keep a value in place of an earlier one, or say what it weighs now."""
        values = self._values
        before = values.get(session)
        values[session] = (value, weight)
        values.move_to_end(session)
        self._weight += weight if before is None else weight - before[1]
        while len(values) > self._few and (len(values) > self._most or self._weight > self._limit):
            self._weight -= values.popitem(last=False)[1][1]

    def pop(self, session: SessionId) -> V | None:
        """The value, which is kept no longer."""
        found = self._values.pop(session, None)
        if found is None:
            return None
        self._weight -= found[1]
        return found[0]
