"""Projections that keep a document for each key.

    class Board(BaseModel):
        claims: dict[str, str] = {}

    board = DocProjection("board", Board, version=3)

    @board.on
    def _(doc: Board, event: TaskClaimed, meta: Meta) -> None:
        doc.claims[event.task] = meta.actor

A document begins as its model's defaults when the first event for its key comes, and is changed in place: the caller
of the handler owns the document. It is stored as JSON, so it must be the same after it was written and read.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final, Literal, TypeVar, cast, overload

from pydantic import BaseModel, ValidationError

from ...domain.model import EventData
from .faults import contained
from .meta import Meta
from .projection import Folder, Item, Key, Projection
from .shape import STORED, Column, Row, Shape, check_indexed, column_of, is_model

D = TypeVar("D", bound=BaseModel)
E = TypeVar("E", bound=EventData)


class Deletion(Enum):
    """The type of `DELETE`."""

    DELETE = "delete"


DELETE: Final = Deletion.DELETE
"""What a handler returns when the document is to be deleted. The next event for its key begins a new one."""

Returned = Literal[Deletion.DELETE] | None
KEY = Column("key", "text")
POSITION = Column("position", "integer")
DATA = Column("data", "bytes")
OWN = (KEY, POSITION, DATA)


class DocProjection(Projection[str, D]):
    """Keeps a document of `model` for each key. `indexes` names fields by which documents can be found and ordered."""

    def __init__(
        self, name: str, model: type[D], *, version: int = 1, key: Key = "session", indexes: Sequence[str] = ()
    ) -> None:
        """Raises TypeError for a model that cannot be kept."""
        super().__init__(name, model, version, key)
        _check(model)
        self.indexes = tuple(indexes)
        self.shape = Shape((*OWN, *_indexed(model, self.indexes)), ("key",), tuple((each,) for each in self.indexes))

    @overload
    def on(self, handler: Callable[[D, E], Returned]) -> Callable[[D, E], Returned]: ...
    @overload
    def on(self, handler: Callable[[D, E, Meta], Returned]) -> Callable[[D, E, Meta], Returned]: ...
    def on(self, handler: Callable[..., Returned]) -> Callable[..., Returned]:
        """Declare a handler: `(document, event)` or `(document, event, meta)`. Raises TypeError for anything else."""
        self.handlers.add(handler, self.model)
        return handler

    def folder(self) -> Folder[str, D]:
        return Documents(self)

    def place(self, place: str) -> Row:
        return (place,)


class Documents(Folder[str, D]):
    """Documents in memory, by key."""

    def __init__(self, projection: DocProjection[D]) -> None:
        self.values: dict[str, D | None] = {}
        self.changed: set[str] = set()
        self._model = cast(type[D], projection.model)
        self._shape = projection.shape
        self._texts = projection.shape.indexed_texts()
        self._indexed = projection.shape.columns[len(OWN) :]
        self._positions: dict[str, int] = {}

    def prepare(self, items: Iterable[Item]) -> list[Item]:
        return list(items)

    def missing(self, work: Iterable[Item]) -> set[str]:
        values = self.values  # asked one by one: to subtract its keys would walk through all of them
        return {item.key for item in work if item.key not in values}

    def absent(self, places: Iterable[str]) -> None:
        self.values.update(dict.fromkeys(places))

    @contained
    def fold(self, work: Iterable[Item]) -> None:
        values, changed, positions, model = self.values, self.changed, self._positions, self._model
        for key, event, meta, handlers in work:
            document = values.get(key)
            for call, _, wants_meta in handlers:
                if document is None:
                    values[key] = document = model()
                returned = call(document, event, meta) if wants_meta else call(document, event)
                if returned is DELETE:
                    document = values[key] = None
                elif returned is not None:
                    raise _returned(returned)
            changed.add(key)
            positions[key] = meta.position

    @contained
    def row(self, place: str) -> Row:
        document = self.values[place]
        assert document is not None
        data = document.__pydantic_serializer__.to_json(document, by_alias=True, warnings="error")
        indexed = [_stored(column, getattr(document, column.name)) for column in self._indexed]
        row = (place, self._positions[place], data, *indexed)
        if self._indexed:
            check_indexed(self._shape, row, self._texts)
        return row

    @contained
    def load(self, row: Row) -> str:
        key, position, data = row[: len(OWN)]
        self.values[key] = self._model.__pydantic_validator__.validate_json(bytes(data))
        self._positions[key] = position
        return cast(str, key)

    def drop(self, place: str) -> None:
        self.values.pop(place, None)
        self._positions.pop(place, None)


def _returned(returned: object) -> TypeError:
    return TypeError(f"a handler returned {returned!r}; it changes the document it was given, or deletes it")


def _stored(column: Column, value: Any) -> Any:
    return None if value is None else STORED[column.kind](value)


def _check(model: type[BaseModel]) -> None:
    if not is_model(model):
        raise TypeError(f"{model!r} is no pydantic model; a document is one.")
    if model.__private_attributes__:
        raise TypeError(f"{model.__name__} has private attributes, which are lost whenever a document is stored.")
    try:
        empty = model()
    except ValidationError as error:
        wanting = ", ".join(str(each["loc"][0]) for each in error.errors() if each["loc"])
        raise TypeError(f"A document begins empty: give {wanting} of {model.__name__} a default.") from None
    try:
        same = model.model_validate_json(empty.__pydantic_serializer__.to_json(empty, by_alias=True)) == empty
    except ValueError as error:
        raise TypeError(f"{model.__name__} cannot be read back from its JSON: {error}") from None
    if not same:
        raise TypeError(f"{model.__name__} is another after it was written as JSON and read back.")


def _indexed(model: type[BaseModel], names: Sequence[str]) -> list[Column]:
    columns = []
    for name in names:
        field = model.model_fields.get(name)
        if field is None:
            raise TypeError(f"{model.__name__} has no field {name!r} to index.")
        column = column_of(name, field)
        if name in [own.name for own in OWN]:
            raise TypeError(f"{model.__name__}.{name} cannot be indexed under that name; call the field otherwise.")
        if column.kind in ("json", "bytes"):
            raise TypeError(f"{model.__name__}.{name} cannot be indexed: only texts, numbers, truth values and times.")
        columns.append(column)
    return columns
