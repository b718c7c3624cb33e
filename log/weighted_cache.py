"""The one cache of the product: values by key, bounded by how many there are and by what they weigh together.

A number alone is no bound where one value may be a thousand times as large as another, and a weight alone would let a
few large ones drive out all others. So `at_least` many are kept whatever they weigh, and more while they are light.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WeightedCache(Generic[K, V]):
    """At most `most` values, and beyond `at_least` of them at most `weight` in all. The value that was put, used or
    touched longest ago goes first. `group` tells what a key belongs to, so that all of that can be dropped at once."""

    def __init__(
        self,
        weight: int,
        *,
        most: int = sys.maxsize,
        at_least: int = 1,
        group: Callable[[K], Hashable] | None = None,
    ) -> None:
        self._most = most
        self._at_least = min(at_least, most)
        self._limit = weight
        self._weight = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._weights: dict[K, int] = {}
        self._group = group
        self._groups: dict[Hashable, set[K]] = {}
        # Bound methods of the dictionary: the session cache is asked for every command, and a call in between would
        # cost more than the look-up.
        self.get: Callable[[K], V | None] = self._values.get
        """The value, if it is kept. Does not count as a use."""
        self.touch: Callable[[K], None] = self._values.move_to_end
        """Count a value that is kept as put now."""

    def __len__(self) -> int:
        return len(self._values)

    def use(self, key: K) -> V | None:
        """The value, if it is kept; it counts as put now."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V, weight: int, *, shrink: bool = True) -> None:
        """Keep a value in place of an earlier one, or say what it weighs now. Without `shrink` nothing is dropped for
        it before `shrink` is called."""
        values, weights = self._values, self._weights
        self._weight += weight - weights.get(key, 0)
        values[key], weights[key] = value, weight
        values.move_to_end(key)
        if self._group is not None:
            self._groups.setdefault(self._group(key), set()).add(key)
        if shrink and (self._weight > self._limit or len(values) > self._most):
            self.shrink()

    def pop(self, key: K) -> V | None:
        """The value, which is kept no longer."""
        if key not in self._values:
            return None
        if self._group is not None:
            self._leave_group(key, self._group(key))
        self._weight -= self._weights.pop(key)
        return self._values.pop(key)

    def shrink(self) -> list[K]:
        """Drop values until the rest is within the bounds; the keys of those that were dropped."""
        values, dropped = self._values, list[K]()
        while len(values) > self._at_least and (len(values) > self._most or self._weight > self._limit):
            dropped.append(oldest := next(iter(values)))
            self.pop(oldest)
        return dropped

    def keys_of(self, group: Hashable) -> Collection[K]:
        """The keys of what is kept of a group."""
        return self._groups.get(group, ())

    def drop_group(self, group: Hashable) -> None:
        """Drop all that belongs to a group."""
        for key in tuple(self._groups.get(group, ())):
            self.pop(key)

    def _leave_group(self, key: K, group: Hashable) -> None:
        keys = self._groups[group]
        keys.discard(key)
        if not keys:
            del self._groups[group]
