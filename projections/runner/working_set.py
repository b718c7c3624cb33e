"""What a runner has in hand of a view: the values it has folded or loaded lately, the least recently used put down
first. Anything may be put down once it is stored."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from ..authoring.projection import Projection
from ..authoring.shape import Row

MOST_VALUES = 5_000
MOST_BYTES = 32 * 2**20
_SMALL = 200  # what a value weighs besides its texts


class WorkingSet:
    """The folder of one build, kept within bounds."""

    def __init__(self, projection: Projection[Any, Any]) -> None:
        self.folder = projection.folder()
        self._projection = projection
        self._weights: OrderedDict[Any, int] = OrderedDict()
        self._bytes = 0

    def missing(self, work: Iterable[Any]) -> dict[Row, Any]:
        """The places that must be loaded before this work can be done, by their columns."""
        return {self._projection.place(place): place for place in self.folder.missing(work)}

    def take(self, wanted: dict[Row, Any], rows: Iterable[Row]) -> None:
        """Take over what was loaded; what was not found is known to be absent."""
        for place in wanted.values():
            self.folder.values[place] = None
            self._weigh(place, None)
        for row in rows:
            self._weigh(self.folder.take(row), row)

    def put(self) -> dict[Row, Row | None]:
        """What has changed, in stored form, by the columns of its place; from now on it counts as stored."""
        folder = self.folder
        rows: dict[Row, Row | None] = {}
        for place in folder.changed:
            row = None if folder.values.get(place) is None else folder.row(place)
            rows[self._projection.place(place)] = row
            self._weigh(place, row)
        folder.changed.clear()
        self._put_down()
        return rows

    def _weigh(self, place: Any, row: Row | None) -> None:
        weight = _SMALL + sum([len(value) for value in row or () if isinstance(value, bytes | str)])
        self._bytes += weight - self._weights.pop(place, 0)
        self._weights[place] = weight

    def _put_down(self) -> None:
        while len(self._weights) > MOST_VALUES or self._bytes > MOST_BYTES:
            place, weight = self._weights.popitem(last=False)
            self._bytes -= weight
            self.folder.drop(place)
