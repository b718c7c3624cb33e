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
from collections.abc import Callable, Mapping, Sequence
from enum import EnumType
from typing import Any, NamedTuple, TypeVar, overload

from pydantic import BaseModel

from ...domain.model import EventData
from .meta import Meta
from .projection import Folder, Key, Projection
from .rows import Place, Rows
from .shape import COLUMN_PATTERN, LARGEST, Column, Row, Shape, column_of, is_model, is_storable
from .table_folder import Table

R = TypeVar("R", bound=BaseModel)
E = TypeVar("E", bound=EventData)


class Lifetime(NamedTuple):
    """The fields of a row that say which events it is made of: those about one subject (`about`), from the version in
    `since` on. Each that changes a row which has ended sets `until` to its version; while there is None, more may come.

    Pages of the past are then read from the view as it is: a row that ended before is as it was.
    """

    about: str
    since: str
    until: str


class TableProjection(Projection[Place, R]):
    """Keeps rows of `model`. `key_columns` are the fields that tell rows apart, `indexes` the groups of fields by which
    rows can be found quickly. `lifetime` is declared for rows that each have one (see there)."""

    def __init__(
        self,
        name: str,
        model: type[R],
        *,
        key_columns: Sequence[str],
        version: int = 1,
        partition: Key = "session",
        indexes: Sequence[Sequence[str]] = (),
        lifetime: Lifetime | None = None,
    ) -> None:
        """Raises TypeError for a model whose rows cannot be kept."""
        super().__init__(name, model, version, partition)
        _check(model, key_columns, indexes)
        if lifetime is not None and (unknown := {*lifetime} - model.model_fields.keys()):
            raise TypeError(f"{model.__name__} has no field {', '.join(sorted(unknown))}.")
        self.lifetime = lifetime
        names = (*key_columns, *[name for name in model.model_fields if name not in key_columns])
        columns = tuple(column_of(name, model.model_fields[name]) for name in names)
        self.shape = Shape(columns, tuple(key_columns), tuple(tuple(index) for index in indexes))
        _check_columns(model, self.shape)
        self._key_columns = columns[: len(key_columns)]
        self._key_types = tuple([_TYPES[column.kind] for column in self._key_columns])
        self._key_integers = [n for n, column in enumerate(self._key_columns) if column.kind == "integer"]
        self._key_texts = [n for n, column in enumerate(self._key_columns) if column.kind == "text"]
        self._changeable = {column.name: column for column in columns[len(key_columns) :]}

    def _is_place(self, place: Place) -> bool:
        # Most places are of the very types, and their texts nothing special. So all is looked at together first.
        if tuple(map(type, place)) != self._key_types:
            return len(place) == len(self._key_columns) and all(map(_fits, place, self._key_columns))
        texts = [place[n] for n in self._key_texts]
        return all(-LARGEST <= place[n] < LARGEST for n in self._key_integers) and is_storable("".join(texts))

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
        members = row.__dict__
        return tuple([members[name] for name in self.shape.key])

    def checked(self, place: Place, fields: Mapping[str, Any], *, numbers: bool = False) -> Place:
        """The place, if it is one and these fields can be set or added to there. Raises TypeError."""
        if not self._is_place(place):
            expected = self._key_columns
            said = ", ".join(f"{column.name}: {column.kind}" for column in expected)
            raise TypeError(f"a place of {self.name} is ({said}), not {place!r}")
        if not fields.keys() <= self._changeable.keys():
            unknown = next(name for name in fields if name not in self._changeable)
            raise TypeError(f"{self.name} has no field {unknown!r} that can be changed")
        for name, value in fields.items() if numbers else ():
            column = self._changeable[name]
            if column.kind not in ("integer", "real") or not isinstance(value, int | float):
                raise TypeError(f"{value!r} cannot be added to {name} of {self.name}")
        return place


_TYPES = {"text": str, "integer": int}
"""Of the columns of places."""


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
