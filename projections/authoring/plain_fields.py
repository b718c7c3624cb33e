"""Fields of a model whose values pydantic takes as they are, so that setting one needs no validation.

That is so where the type says all: a whole number in a field `int`, a text in a field `str | None`. What has a
constraint, a validator or a type of its own is left to pydantic, and so is a value of another type, which it may
convert.
"""

import types
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_TYPES = (bool, int, float, str, datetime, types.NoneType)
_HARMLESS = {"title", "extra", "json_schema_extra", "use_attribute_docstrings", "defer_build"}
"""Settings of a model that change nothing about what a field takes."""

Takes = tuple[frozenset[type], frozenset[str]]
"""The types of values that are taken, and texts that are."""


@lru_cache(1_024)
def plain_fields(model: type[BaseModel]) -> "PlainFields":
    """What sets fields of a model's rows, made once."""
    return PlainFields(model)


class PlainFields:
    """Sets fields of the rows of one model."""

    def __init__(self, model: type[BaseModel]) -> None:
        found = {name: _takes(field) for name, field in model.model_fields.items()} if is_plain(model) else {}
        self._takes = {name: takes for name, takes in found.items() if takes is not None}

    def are_numbers(self, names: Iterable[str]) -> bool:
        """Whether numbers can be added to all of these fields, whatever they are."""
        takes = self._takes
        return all(name in takes and not _NUMBERS.isdisjoint(takes[name][0]) for name in names)

    def set(self, row: BaseModel, fields: Mapping[str, Any]) -> None:
        """Set fields of a row in place. Raises ValueError for what its model refuses."""
        takes, members = self._takes, row.__dict__
        for name, value in fields.items():
            types, texts = takes.get(name, _NOTHING)
            kind = type(value)
            if kind in types or (kind is str and value in texts):
                members[name] = value
                row.__pydantic_fields_set__.add(name)
            else:
                row.__pydantic_validator__.validate_assignment(row, name, value)
                members = row.__dict__

    def add(self, row: BaseModel, numbers: Mapping[str, float]) -> None:
        """Add to fields of a row in place. Raises ValueError for what its model refuses."""
        members = row.__dict__
        self.set(row, {name: (members[name] or 0) + by for name, by in numbers.items()})

    @staticmethod
    def add_whole(row: BaseModel, numbers: Mapping[str, int]) -> None:
        """Add whole numbers to fields that are numbers (`are_numbers`)."""
        members, named = row.__dict__, row.__pydantic_fields_set__
        for name, by in numbers.items():
            members[name] = (members[name] or 0) + by
            named.add(name)


_NUMBERS = frozenset([int, float])
_NOTHING: Takes = (frozenset(), frozenset())


def is_plain(model: type[BaseModel]) -> bool:
    """Whether a model is nothing but its fields: no validators, serializers, or settings about either."""
    hooks = model.__pydantic_decorators__
    schema = cast(Any, model.__get_pydantic_core_schema__)
    return (
        not any(getattr(hooks, name) for name in hooks.__slots__ if isinstance(getattr(hooks, name), dict))
        and set(model.model_config) <= _HARMLESS
        and schema.__func__ is cast(Any, BaseModel.__get_pydantic_core_schema__).__func__
    )


def is_bare(field: FieldInfo) -> bool:
    """Whether a field is nothing but its type."""
    return not field.metadata and not field.frozen


def _takes(field: FieldInfo) -> Takes | None:
    annotation: Any = field.annotation
    if not is_bare(field):
        return None
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    kinds = frozenset([each for each in members if each in _TYPES])
    literals = [each for each in members if get_origin(each) is Literal]
    texts = frozenset([text for each in literals for text in get_args(each) if isinstance(text, str)])
    return (kinds, texts) if len(kinds) + len(literals) == len(members) else None


def shallow_copy(row: Any) -> Any:
    """A copy of a row that has no private attributes, like `model_copy`, which takes four times as long."""
    kind: Any = type(row)
    copy = kind.__new__(kind)
    extra = row.__pydantic_extra__
    _set(copy, "__dict__", row.__dict__.copy())
    _set(copy, "__pydantic_extra__", None if extra is None else extra.copy())
    _set(copy, "__pydantic_fields_set__", row.__pydantic_fields_set__.copy())
    _set(copy, "__pydantic_private__", None)
    return copy


_set: Callable[[object, str, Any], None] = object.__setattr__
