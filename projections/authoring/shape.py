"""The table in which a view is stored: columns, primary key, indexes. SQL dialects derive their DDL from it.

A column's kind is the least that all engines have in common. Times are kept in UTC with microseconds and so can be
compared; what has no kind of its own is kept as JSON.
"""

import math
import types
from collections.abc import Callable, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ...domain.envelope import timestamp

Kind = Literal["text", "integer", "real", "boolean", "time", "json", "bytes"]
Row = tuple[Any, ...]
COLUMN_PATTERN = r"^[a-z][a-z0-9_]{0,47}$"

_KINDS: tuple[tuple[type, Kind], ...] = (  # in this order: a bool is an int, too
    (bool, "boolean"),
    (int, "integer"),
    (float, "real"),
    (str, "text"),
    (datetime, "time"),
    (date, "json"),
)
LARGEST = 2**63
MAX_INDEXED_BYTES = 2_600
"""Bytes that the texts of a primary key or an index may have together: PostgreSQL wants an entry to fit in a third of a
page."""


class Column(NamedTuple):
    """A column of a view's table."""

    name: str
    kind: Kind
    nullable: bool = False


class Shape(NamedTuple):
    """A view's table. The first columns are the primary key; each index is the names of its columns. `restricted`:
    there is in it what is not for everyone, so that only the code that filled it can tell who may see what."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    restricted: bool = False

    def column(self, name: str) -> Column | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)

    def indexed_texts(self) -> tuple[int, ...]:
        """Where in a row the texts are that belong to the primary key or an index."""
        names = {*self.key, *[name for index in self.indexes for name in index]}
        return tuple([n for n, each in enumerate(self.columns) if each.kind == "text" and each.name in names])

    @property
    def session_order(self) -> str:
        """The column by which a session's rows are ordered unless another is asked for: the second of the first index
        that begins with the session. Empty where there is none, as for documents."""
        return next((index[1] for index in self.indexes if index[0] == "session" and len(index) > 1), "")


def is_model(model: Any) -> bool:
    """Whether it is a pydantic model's class."""
    return isinstance(model, type) and issubclass(model, BaseModel)


def is_storable(text: str) -> bool:
    """Whether every engine can keep a text: one without NUL, and that can be written as UTF-8."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_indexed(shape: Shape, row: Row, texts: Sequence[int]) -> None:
    """Raise ValueError for a row with texts that are too long for its keys and indexes. `texts` are the shape's
    `indexed_texts`."""
    if sum([len(row[index] or "") for index in texts]) * 4 <= MAX_INDEXED_BYTES:
        return
    values = {column.name: value for column, value in zip(shape.columns, row, strict=True)}
    for names in (shape.key, *shape.indexes):
        found = [value for name in names if isinstance(value := values[name], str)]
        if sum([len(text.encode()) for text in found]) > MAX_INDEXED_BYTES:
            raise ValueError(f"{', '.join(names)}: more than {MAX_INDEXED_BYTES} bytes cannot be a key or indexed")


def column_of(name: str, field: FieldInfo) -> Column:
    """The column that holds a model's field."""
    kind, nullable = _kind(field.annotation)
    return Column(name, kind, nullable or kind == "json")  # null is a JSON value like any other


def _kind(annotation: Any) -> tuple[Kind, bool]:
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [_kind(each)[0] for each in get_args(annotation) if each is not type(None)]
        return members[0] if len(set(members)) == 1 else "json", type(None) in get_args(annotation)
    if get_origin(annotation) is Literal:
        kinds = {_kind(type(each))[0] for each in get_args(annotation) if each is not None}
        return kinds.pop() if len(kinds) == 1 else "json", None in get_args(annotation)
    if isinstance(annotation, type):
        if issubclass(annotation, Enum) and not issubclass(annotation, str | int):
            return "json", False
        return next((kind for base, kind in _KINDS if issubclass(annotation, base)), "json"), False
    return "json", False


def _text(value: Any) -> str:
    text = value if type(value) is str else str(value.value if isinstance(value, Enum) else value)
    if not is_storable(text):
        raise ValueError("a text with a NUL character or half a surrogate pair cannot be stored in a column")
    return text


def _integer(value: Any) -> int:
    number = int(value)
    if not -LARGEST <= number < LARGEST:
        raise ValueError(f"{number} does not fit in a column of 64 bits")
    return number


def _real(value: Any) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored in a column")
    return float(value)


def _time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value} has no time zone; a column of times needs one")
    return timestamp(value)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


STORED: dict[Kind, Callable[[Any], Any]] = {
    "text": _text,
    "integer": _integer,
    "real": _real,
    "boolean": bool,
    "time": _time,
    "json": _json,
    "bytes": bytes,
}
"""How a value of each kind is stored. Raises ValueError for what no engine could keep."""
