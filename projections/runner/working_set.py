"""The values of a view that its runner has in memory: those that it has folded or loaded, those first dropped that were
not used for longest. Anything may be dropped once it is stored."""

from collections import deque
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

from ..authoring.projection import Projection
from ..authoring.shape import Row

MOST_VALUES = 10_000
MOST_BYTES = 32 * 2**20
_SMALL = 200  # what a value weighs besides its texts


class WorkingSet:
    """The folder of one build, kept within bounds: what was used between two calls of `changes` is a generation, and
    the oldest generations are dropped."""

    def __init__(
        self, projection: Projection[Any, Any], *, most_values: int = MOST_VALUES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder = projection.folder()
        self._projection = projection
        heavy = [n for n, each in enumerate(projection.shape.columns) if each.kind in ("text", "json", "bytes")]
        self._most_values, self._most_bytes = most_values, most_bytes
        self._texts = itemgetter(heavy[0], *heavy)  # one of them twice: a single one would not come as a tuple
        self._used: dict[Any, int] = {}
        """The last generation of each place."""
        self._generations = deque[tuple[list[Any], int]]()
        """The places of each generation that is kept, and what their values weighed."""
        self._newest = 0
        self._weight = 0
        self._loaded: list[Any] = []
        self._loaded_weight = 0

    def missing(self, work: Iterable[Any]) -> dict[Row, Any]:
        """The places that must be loaded before this work can be done, by their columns."""
        return {self._projection.place(place): place for place in self.folder.missing(work)}

    def load(self, wanted: dict[Row, Any], rows: Iterable[Row]) -> None:
        """Take over what was read from the store; what was not found is known to be absent."""
        self.folder.absent(wanted.values())
        for row in rows:
            self.folder.load(row)
            self._loaded_weight += self._weight_of(row)
        self._loaded += wanted.values()

    def changes(self) -> dict[Row, Row | None]:
        """What has changed, in stored form, by the columns of its place; from now on it counts as stored."""
        folder, place_of, weight = self.folder, self._projection.place, self._loaded_weight
        values = folder.values
        rows: dict[Row, Row | None] = {}
        for place in folder.changed:
            row = rows[place_of(place)] = None if values.get(place) is None else folder.row(place)
            weight += _SMALL if row is None else self._weight_of(row)
        self._add_generation([*self._loaded, *folder.changed], weight)
        folder.changed.clear()
        self._loaded, self._loaded_weight = [], 0
        self._drop_oldest()
        return rows

    def _add_generation(self, places: list[Any], weight: int) -> None:
        self._newest += 1
        self._used.update(dict.fromkeys(places, self._newest))
        self._generations.append((places, weight))
        self._weight += weight

    def _drop_oldest(self) -> None:
        # Only now: what was loaded is needed until it is folded, and what was folded until it is stored.
        used = self._used
        while self._generations and (len(used) > self._most_values or self._weight > self._most_bytes):
            number = self._newest - len(self._generations) + 1
            places, weight = self._generations.popleft()
            self._weight -= weight
            for place in places:
                if used.get(place) == number:
                    del used[place]
                    self.folder.drop(place)

    def _weight_of(self, row: Row) -> int:
        return _SMALL + sum(map(len, filter(None, self._texts(row))))
