"""Rows in memory: how what handlers say of them is done."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from pydantic import BaseModel

from .faults import contained
from .plain_fields import plain_fields, shallow_copy
from .projection import Folder, Item
from .rows import Change, Place, Rows
from .shape import Kind, Row
from .stored_rows import stored_rows

if TYPE_CHECKING:
    from .table import TableProjection

R = TypeVar("R", bound=BaseModel)


class Table(Folder[Place, R]):
    """Rows in memory, by place. What a handler has put there is not changed in place, but replaced by a copy.

    Whole numbers that are added to a row are only summed up at first, and added to it when somebody looks or something
    else happens to it: rows that count are counted in with each event."""

    def __init__(self, projection: "TableProjection[R]") -> None:
        self.changed: set[Place] = set()
        self._values: dict[Place, R | None] = {}
        self._sums: dict[Place, dict[str, Any]] = {}
        """What is still to be added to rows that are there. As long as the last change of a place is such an addition
        it is the same object as in `Rows.added`, where it grows."""
        self._rows = Rows(projection)
        self._projection = projection
        self._model = cast(type[R], projection.model)
        self._columns = projection.shape.columns
        self._stored = stored_rows(projection.shape, self._model)
        self._fields = plain_fields(self._model)
        self._own: set[Place] = set()
        """Places whose rows are known here alone, and can be changed in place."""

    @property
    def values(self) -> dict[Place, R | None]:
        if self._sums:
            add = self._fields.add_whole
            for place, sums in self._sums.items():
                add(cast(R, self._values[place]), sums)
            self._sums.clear()
            self._rows.added.clear()
        return self._values

    @values.setter
    def values(self, values: dict[Place, R | None]) -> None:
        self._values = values
        self._sums.clear()
        self._rows.added.clear()

    @contained
    def prepare(self, items: Iterable[Item]) -> list[Change]:
        rows = self._rows
        rows.changes = []
        for _, event, meta, handlers in items:
            for call, _, wants_meta in handlers:
                returned = call(rows, event, meta) if wants_meta else call(rows, event)
                if returned is not None:
                    raise TypeError(f"a handler returned {returned!r}; it says what happens by the rows it is given")
        return rows.changes

    def missing(self, work: Iterable[Change]) -> set[Place]:
        values = self._values  # asked one by one: to subtract its keys would walk through all of them
        return {place for place, do, _ in work if place not in values and do in ("add", "update")}

    def absent(self, places: Iterable[Place]) -> None:
        self._values.update(dict.fromkeys(places))

    @contained
    def fold(self, work: Iterable[Change]) -> None:
        values, changed = self._values, self.changed
        for place, do, what in work:
            if place in self._sums:
                self._fields.add_whole(cast(R, values[place]), self._sums.pop(place))
            if do == "add":
                self._add(place, what)
            elif do == "update":
                if values.get(place) is not None:
                    self._fields.set(self._owned(place), what)
            else:
                self._own.discard(place)
                values[place] = what
            changed.add(place)

    @contained
    def row(self, place: Place) -> Row:
        value = self.values[place]
        assert value is not None
        return self._stored.row(value)

    @contained
    def load(self, row: Row) -> Place:
        fields = {column.name: _read(column.kind, value) for column, value in zip(self._columns, row, strict=True)}
        value = self._model.model_validate(fields, strict=False)
        place = self._projection.place_of(value)
        self._values[place] = value
        self._own.add(place)
        return place

    def drop(self, place: Place) -> None:
        self.values.pop(place, None)
        self._own.discard(place)

    def _add(self, place: Place, numbers: dict[str, Any]) -> None:
        row = self._owned(place)
        may_grow = self._rows.added.get(place) is numbers
        if may_grow and self._fields.are_numbers(numbers):
            self._sums[place] = numbers
            return
        if may_grow:  # no more: what were added to it from now on would be lost
            del self._rows.added[place]
        self._fields.add(row, numbers)

    def _owned(self, place: Place) -> R:
        """The row at a place, which can be changed; a new one where there is none."""
        row = self._values.get(place)
        if row is None:
            row = self._model(**dict(zip(self._projection.shape.key, place, strict=True)))
        elif place in self._own:
            return row
        else:
            row = cast(R, shallow_copy(row))
        self._own.add(place)
        self._values[place] = row
        return row


def _read(kind: Kind, value: Any) -> Any:
    return orjson.loads(value) if kind == "json" and value is not None else value
