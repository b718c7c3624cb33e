"""Models whose schemas carry what the docstrings below their fields say.

pydantic would read those docstrings, and the source around them, whenever the class is made: a fifth of the time that
importing the client took, for words that only documents need. Here they are read when a schema is asked for. For the
same reason a model's validator is built when it is first used.
"""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Explained(BaseModel):
    """A model whose JSON Schema describes each field with the docstring below it."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Called by pydantic for each schema."""
        schema = handler(core_schema)
        explanations = field_docstrings(cls)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, field in cls.model_fields.items():
            described = properties.get(field.alias or name)
            if described is not None and name in explanations:
                described.setdefault("description", explanations[name])
        return schema


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """What the docstrings below its own and its inherited fields say, by the fields' names."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        if issubclass(each, Explained):
            found |= _own_docstrings(each)
    return found


@cache
def _own_docstrings(model: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # it was made by code, and has no source of its own
        return {}
    (tree,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(below.value.value)
        for field, below in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
