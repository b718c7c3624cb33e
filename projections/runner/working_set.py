"""The values of a view that its runner has in memory: those that it has folded or loaded, the least recently used
dropped first. Anything may be dropped once it is stored."""

from collections.abc import Iterable
from typing import Any

from ...log.weighted_cache import WeightedCache
from ..authoring.projection import Projection
from ..authoring.shape import Row

MOST_VALUES = 5_000
MOST_BYTES = 32 * 2**20
_SMALL = 200  # what a value weighs besides its texts


class WorkingSet:
    """The folder of one build, kept within bounds."""

    def __init__(
        self, projection: Projection[Any, Any], *, most_values: int = MOST_VALUES, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder = projection.folder()
        self._projection = projection
        self._heavy = [n for n, each in enumerate(projection.shape.columns) if each.kind in ("text", "json", "bytes")]
        self._places = WeightedCache[Any, None](most_bytes, most=most_values, at_least=0)

    def missing(self, work: Iterable[Any]) -> dict[Row, Any]:
        """The places that must be loaded before this work can be done, by their columns."""
        return {self._projection.place(place): place for place in self.folder.missing(work)}

    def load(self, wanted: dict[Row, Any], rows: Iterable[Row]) -> None:
        """Take over what was read from the store; what was not found is known to be absent."""
        absent = dict.fromkeys(wanted.values())
        self.folder.values.update(absent)
        for row in rows:
            place = self.folder.load(row)
            absent.pop(place, None)
            self._weigh(place, row)
        for place in absent:
            self._weigh(place, None)

    def changes(self) -> dict[Row, Row | None]:
        """What has changed, in stored form, by the columns of its place; from now on it counts as stored."""
        folder = self.folder
        rows: dict[Row, Row | None] = {}
        for place in folder.changed:
            row = None if folder.values.get(place) is None else folder.row(place)
            rows[self._projection.place(place)] = row
            self._weigh(place, row)
        folder.changed.clear()
        for place in self._places.shrink():
            folder.drop(place)
        return rows

    def _weigh(self, place: Any, row: Row | None) -> None:
        # Nothing is dropped here: what was loaded is needed until it is folded, and what was folded until it is stored.
        weight = _SMALL if row is None else _SMALL + sum([len(row[index] or "") for index in self._heavy])
        self._places.put(place, None, weight, shrink=False)
