"""Rows in their stored form: what a table's columns hold of a model's instance."""

import types
from collections.abc import Callable, Set
from functools import lru_cache
from typing import Any, Union, cast, get_args, get_origin

from pydantic import BaseModel, JsonValue, TypeAdapter
from pydantic.fields import FieldInfo

from .plain_fields import is_bare, is_plain
from .shape import LARGEST, MAX_INDEXED_BYTES, STORED, Row, Shape, check_indexed, is_storable

Store = Callable[[Any], Any]


@lru_cache(1_024)
def stored_rows(shape: Shape, model: type[BaseModel]) -> "StoredRows":
    """What makes stored forms for a model and its table: made once, for that takes as long as to read fifty rows."""
    return StoredRows(shape, model)


class StoredRows:
    """Makes stored forms for one model and its table."""

    def __init__(self, shape: Shape, model: type[BaseModel]) -> None:
        self._shape = shape
        self._indexed = shape.indexed_texts()
        self._names = [column.name for column in shape.columns]
        json = {column.name for column in shape.columns if column.kind == "json"}
        own = {name for name in json if is_plain(model) and is_bare(model.model_fields[name])}
        # What has no column of its own kind is whatever pydantic makes of it; of all such fields together where the
        # model has a say in that, and of each alone where only its type has.
        self._whole: Set[str] = json - own
        stores = {name: _json_store(model.model_fields[name]) for name in own}
        # Texts are looked at together, for most are nothing but that.
        self._texts = [n for n, column in enumerate(shape.columns) if column.kind == "text"]
        self._integers = [n for n, column in enumerate(shape.columns) if column.kind == "integer"]
        self._others: list[tuple[int, Store]] = [
            (n, stores.get(column.name, STORED[column.kind]))
            for n, column in enumerate(shape.columns)
            if column.kind not in ("text", "integer")
        ]

    def row(self, value: BaseModel) -> Row:
        """A value's stored form. Raises ValueError for one that cannot be stored."""
        members = value.__dict__
        if self._whole:
            to_python = value.__pydantic_serializer__.to_python
            members = members | to_python(value, mode="json", include=cast(set[str], self._whole), warnings="error")
        row = [members[name] for name in self._names]
        length = self._store_texts(row)
        for index in self._integers:
            number = row[index]
            if number is not None and not (type(number) is int and -LARGEST <= number < LARGEST):
                row[index] = STORED["integer"](number)
        for index, stored in self._others:
            if (each := row[index]) is not None:
                row[index] = stored(each)
        whole = tuple(row)
        if length * 4 > MAX_INDEXED_BYTES:
            check_indexed(self._shape, whole, self._indexed)
        return whole

    def _store_texts(self, row: list[Any]) -> int:
        """Put texts into their stored form; how many characters they have together."""
        texts = [each for index in self._texts if (each := row[index]) is not None]
        if set(map(type, texts)) <= _TEXT and is_storable(together := "".join(texts)):
            return len(together)
        to_text = STORED["text"]
        for index in self._texts:
            if row[index] is not None:
                row[index] = to_text(row[index])
        return sum([len(row[index] or "") for index in self._texts])


_TEXT = {str}


def _json_store(field: FieldInfo) -> Store:
    to_json = STORED["json"]
    if _is_json(field.annotation):
        return to_json
    to_python = TypeAdapter[Any](cast(Any, field.annotation)).serializer.to_python

    def store(value: Any) -> str:
        written: str = "[]" if value == () else to_json(to_python(value, mode="json", warnings="error"))
        return written

    return store


def _is_json(annotation: Any) -> bool:
    """Whether values of this type are JSON as they are."""
    if get_origin(annotation) in (Union, types.UnionType):
        return all(map(_is_json, get_args(annotation)))
    return annotation in (JsonValue, dict[str, JsonValue], types.NoneType)
