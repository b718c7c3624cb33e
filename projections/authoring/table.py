"""Projections that keep rows.

    class Said(BaseModel):
        session: str
        message: str
        text: str

    said = TableProjection("said", Said, key_columns=("session", "message"), indexes=[("text",)])

    @said.on
    def _(rows: Rows[Said], event: MessagePosted, meta: Meta) -> None:
        rows.upsert(Said(session=meta.session, message=event.message, text=text_of(event.parts)))

A handler says what happens to rows and reads none: so a batch of events needs one query to load what it changes, and
one to write it. Rows of the same place should come from events of the same key (`partition`, by default the session),
since that is what is parked and folded again when a handler fails.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import EnumType
from typing import Any, Generic, Literal, NamedTuple, TypeVar, cast, overload

import orjson
from pydantic import BaseModel

from ...domain.model import EventData
from .faults import contained
from .meta import Meta
from .projection import Folder, Item, Key, Projection
from .shape import (
    COLUMN_PATTERN,
    LARGEST,
    STORED,
    Column,
    Kind,
    Row,
    Shape,
    check_indexed,
    column_of,
    is_model,
    is_storable,
)

R = TypeVar("R", bound=BaseModel)
E = TypeVar("E", bound=EventData)
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
        self._added: dict[Place, dict[str, Any]] = {}
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
        added = self._added.get(place)
        if added is not None and added.keys() == fields.keys() and _are_whole(fields):
            for name, by in fields.items():
                added[name] += by
            return
        self._change(self._projection.checked(place, fields, numbers=True), "add", fields)
        if _are_whole(fields):  # sums of others depend on the order
            self._added[place] = fields

    def delete(self, *place: Any) -> None:
        """Remove the row at a place, if there is one."""
        self._change(self._projection.checked(place, {}), "delete", None)

    def _change(self, place: Place, do: Do, what: Any) -> None:
        self._added.pop(place, None)
        self.changes.append(Change(place, do, what))


class TableProjection(Projection[Place, R]):
    """Keeps rows of `model`. `key_columns` are the fields that tell rows apart, `indexes` the groups of fields by which
    rows can be found quickly."""

    def __init__(
        self,
        name: str,
        model: type[R],
        *,
        key_columns: Sequence[str],
        version: int = 1,
        partition: Key = "session",
        indexes: Sequence[Sequence[str]] = (),
    ) -> None:
        """Raises TypeError for a model whose rows cannot be kept."""
        super().__init__(name, model, version, partition)
        _check(model, key_columns, indexes)
        names = (*key_columns, *[name for name in model.model_fields if name not in key_columns])
        columns = tuple(column_of(name, model.model_fields[name]) for name in names)
        self.shape = Shape(columns, tuple(key_columns), tuple(tuple(index) for index in indexes))
        _check_columns(model, self.shape)
        self._key_columns = columns[: len(key_columns)]
        self._changeable = {column.name: column for column in columns[len(key_columns) :]}

    @overload
    def on(self, handler: Callable[[Rows[R], E], None]) -> Callable[[Rows[R], E], None]: ...
    @overload
    def on(self, handler: Callable[[Rows[R], E, Meta], None]) -> Callable[[Rows[R], E, Meta], None]: ...
    def on(self, handler: Callable[..., None]) -> Callable[..., None]:
        """Declare a handler: `(rows, event)` or `(rows, event, meta)`. Raises TypeError for anything else."""
        self.handlers.add(handler, Rows)
        return handler

    def folder(self) -> Folder[Place, R]:
        return Table(self)

    def place(self, place: Place) -> Row:
        return place

    def place_of(self, row: R) -> Place:
        """Where a row belongs. Raises TypeError for what is none of this projection's."""
        if not isinstance(row, self.model):
            raise TypeError(f"{row!r} is no row of {self.name}, which keeps {self.model.__name__}")
        return tuple([getattr(row, name) for name in self.shape.key])

    def checked(self, place: Place, fields: Mapping[str, Any], *, numbers: bool = False) -> Place:
        """The place, if it is one and these fields can be set or added to there. Raises TypeError."""
        expected = self._key_columns
        if len(place) != len(expected) or not all(map(_fits, place, expected)):
            said = ", ".join(f"{column.name}: {column.kind}" for column in expected)
            raise TypeError(f"a place of {self.name} is ({said}), not {place!r}")
        for name, value in fields.items():
            column = self._changeable.get(name)
            if column is None:
                raise TypeError(f"{self.name} has no field {name!r} that can be changed")
            if numbers and (column.kind not in ("integer", "real") or not isinstance(value, int | float)):
                raise TypeError(f"{value!r} cannot be added to {name} of {self.name}")
        return place


class Table(Folder[Place, R]):
    """Rows in memory, by place. What a handler has put there is not changed in place, but replaced by a copy."""

    def __init__(self, projection: TableProjection[R]) -> None:
        self.values: dict[Place, R | None] = {}
        self.changed: set[Place] = set()
        self._projection = projection
        self._model = cast(type[R], projection.model)
        self._columns = projection.shape.columns
        self._stored = [(column.name, STORED[column.kind]) for column in self._columns]
        self._texts = projection.shape.indexed_texts()
        self._own: set[Place] = set()
        """Places whose rows are known here alone, and can be changed in place."""
        self._json = {column.name for column in self._columns if column.kind == "json"}

    @contained
    def prepare(self, items: Iterable[Item]) -> list[Change]:
        rows = Rows(self._projection)
        for _, event, meta, handlers in items:
            for call, _, wants_meta in handlers:
                returned = call(rows, event, meta) if wants_meta else call(rows, event)
                if returned is not None:
                    raise TypeError(f"a handler returned {returned!r}; it says what happens by the rows it is given")
        return rows.changes

    def missing(self, work: Iterable[Change]) -> set[Place]:
        values = self.values  # asked one by one: to subtract its keys would walk through all of them
        return {place for place, do, _ in work if place not in values and do in ("add", "update")}

    @contained
    def fold(self, work: Iterable[Change]) -> None:
        for place, do, what in work:
            if do == "upsert":
                self._own.discard(place)
                self.values[place] = what
            else:
                self.values[place] = self._changed(self.values.get(place), place, do, what)
            self.changed.add(place)

    @contained
    def row(self, place: Place) -> Row:
        value = self.values[place]
        assert value is not None
        fields = value.__dict__
        if self._json:  # what has no column of its own kind is whatever pydantic makes of it
            to_python = value.__pydantic_serializer__.to_python
            fields = fields | to_python(value, mode="json", include=self._json, warnings="error")
        row = tuple([None if (each := fields[name]) is None else stored(each) for name, stored in self._stored])
        check_indexed(self._projection.shape, row, self._texts)
        return row

    @contained
    def load(self, row: Row) -> Place:
        fields = {column.name: _read(column.kind, value) for column, value in zip(self._columns, row, strict=True)}
        value = self._model.model_validate(fields, strict=False)
        place = self._projection.place_of(value)
        self.values[place] = value
        self._own.add(place)
        return place

    def drop(self, place: Place) -> None:
        self.values.pop(place, None)
        self._own.discard(place)

    def _changed(self, value: R | None, place: Place, do: str, what: Mapping[str, Any]) -> R | None:
        if do == "delete" or (do == "update" and value is None):
            return None
        if value is None:
            value = self._model(**dict(zip(self._projection.shape.key, place, strict=True)))
        elif place not in self._own:
            value = value.model_copy()
        self._own.add(place)
        assign = value.__pydantic_validator__.validate_assignment
        for name, by in what.items():
            assign(value, name, (getattr(value, name) or 0) + by if do == "add" else by)
        return value


def _are_whole(numbers: Mapping[str, Any]) -> bool:
    return all(type(each) is int for each in numbers.values())


def _read(kind: Kind, value: Any) -> Any:
    return orjson.loads(value) if kind == "json" and value is not None else value


def _fits(value: Any, column: Column) -> bool:
    if column.kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool) and -LARGEST <= value < LARGEST
    return isinstance(value, str) and is_storable(value)


def _check(model: type[BaseModel], key: Sequence[str], indexes: Sequence[Sequence[str]]) -> None:
    if not is_model(model):
        raise TypeError(f"{model!r} is no pydantic model; a row is one.")
    if model.__private_attributes__:
        raise TypeError(f"{model.__name__} has private attributes, which are lost whenever a row is stored.")
    if not key:
        raise TypeError(f"The rows of {model.__name__} need key columns to be told apart.")
    for name, field in model.model_fields.items():
        if not re.fullmatch(COLUMN_PATTERN, name):
            raise TypeError(f"{model.__name__}.{name} cannot be a column: small letters, digits and _, at most 48.")
        if field.alias or field.validation_alias or field.serialization_alias:
            raise TypeError(f"{model.__name__}.{name} has an alias; a column has one name.")
    named = {*key, *[name for index in indexes for name in index]}
    if unknown := named - model.model_fields.keys():
        raise TypeError(f"{model.__name__} has no field {', '.join(sorted(unknown))}.")


def _check_columns(model: type[BaseModel], shape: Shape) -> None:
    for column in shape.columns[: len(shape.key)]:
        annotation = model.model_fields[column.name].annotation
        if column.kind not in ("text", "integer") or column.nullable or isinstance(annotation, EnumType):
            raise TypeError(f"{model.__name__}.{column.name} cannot be a key column: a text or a whole number, always.")
    for name in {name for index in shape.indexes for name in index}:
        column = next(each for each in shape.columns if each.name == name)
        if column.kind == "json":
            raise TypeError(f"{model.__name__}.{name} cannot be indexed: only texts, numbers, truth values and times.")
