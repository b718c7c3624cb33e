"""What handlers of a table are given: rows, to be changed."""

from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel

if TYPE_CHECKING:
    from .table import TableProjection

R = TypeVar("R", bound=BaseModel)
Place = tuple[Any, ...]


Do = Literal["upsert", "update", "add", "delete"]


class Change(NamedTuple):
    """What is to happen to one row."""

    place: Place
    do: Do
    what: Any = None


class Rows(Generic[R]):
    """What a handler is given: the rows, to be changed."""

    def __init__(self, projection: "TableProjection[R]") -> None:
        self._projection = projection
        self.added: dict[Place, dict[str, Any]] = {}
        """What the last change of a place adds to it, if that is whole numbers: more of them can be added there."""
        self.changes: list[Change] = []

    def upsert(self, row: R) -> None:
        """Put a row in its place, whatever was there."""
        self._change(self._projection.place_of(row), "upsert", row)

    def update(self, *place: Any, **fields: Any) -> None:
        """Set some fields of the row at a place; nothing happens when there is none."""
        self._change(self._projection.checked(place, fields), "update", fields)

    def add(self, *place: Any, **fields: float) -> None:
        """Add to numbers of the row at a place. Where there is none, a row of the defaults is added to."""
        added, whole = self.added.get(place), True
        for name, by in fields.items():
            if type(by) is not int:
                whole = False
            elif added is not None and name not in added:
                added = None
        if added is not None and whole:
            for name, by in fields.items():
                added[name] += by
            return
        self._change(self._projection.checked(place, fields, numbers=True), "add", fields)
        if whole:  # sums of others depend on the order
            self.added[place] = fields

    def delete(self, *place: Any) -> None:
        """Remove the row at a place, if there is one."""
        self._change(self._projection.checked(place, {}), "delete", None)

    def _change(self, place: Place, do: Do, what: Any) -> None:
        self.added.pop(place, None)
        self.changes.append(Change(place, do, what))
