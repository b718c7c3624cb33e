"""The JSON Schema that an answer must match: a part of draft 2020-12 that can be checked in bounded time.

Clients write these schemas and the gateway runs them, so they are treated as hostile. References lead to `#/$defs/…` of
the same schema, and never back to themselves. Keywords are those listed here; an unknown one is more likely a typing
error than an annotation. With its references written out the schema is small. Patterns are in the syntax of Rust's
`regex`, which has neither look-around nor back-references and matches in linear time. `format` is not checked.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from pydantic import AfterValidator, JsonValue

from ..errors import Invalid, TooLarge

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

DRAFT = "https://json-schema.org/draft/2020-12/schema"
MAX_SCHEMA_BYTES = 16_384
MAX_SCHEMA_DEPTH = 16
MAX_SUBSCHEMAS = 200
MAX_PATTERNS = 16
MAX_PATTERN_BYTES = 65_536
"""The size of a compiled pattern."""
MAX_VALUE_BYTES = 65_536
_REF = "#/$defs/"
_PLAIN = frozenset((
    "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "pattern", "minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties",
    "maxProperties", "required", "dependentRequired", "format", "title", "description", "default", "examples",
    "deprecated", "readOnly", "writeOnly", "discriminator", "$comment", "$schema", "$ref",
))  # fmt: skip
_ONE = frozenset(("items", "contains", "additionalProperties", "not", "if", "then", "else"))
_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAP = frozenset(("properties", "$defs"))


class _Size:
    """What a schema comes to when its references are written out."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.defs: Any = root.get("$defs", {})
        self.subschemas = 0
        self.patterns = 0

    def add(self, schema: object, depth: int, under: tuple[str, ...]) -> None:
        """Count a subschema; `under` are the definitions that it is a part of."""
        self.subschemas += 1
        if self.subschemas > MAX_SUBSCHEMAS:
            raise ValueError(f"there are more than {MAX_SUBSCHEMAS} subschemas, references written out")
        if depth > MAX_SCHEMA_DEPTH:
            raise ValueError(f"it is nested more than {MAX_SCHEMA_DEPTH} deep, references written out")
        if not isinstance(schema, dict):
            return
        self.patterns += "pattern" in schema
        if self.patterns > MAX_PATTERNS:
            raise ValueError(f"there are more than {MAX_PATTERNS} patterns, references written out")
        for inner in _inner(schema):
            self.add(inner, depth + 1, under)
        if "$ref" in schema:
            self._refer(schema["$ref"], depth, under)

    def _refer(self, ref: object, depth: int, under: tuple[str, ...]) -> None:
        name = ref.removeprefix(_REF) if isinstance(ref, str) and ref.startswith(_REF) else None
        if name is None or not isinstance(self.defs, dict) or name not in self.defs:
            raise ValueError(f"a $ref leads to a definition of the same schema, as {_REF}name")
        if name in under:
            raise ValueError("a definition refers to itself")
        self.add(self.defs[name], depth + 1, (*under, name))


def _inner(schema: dict[str, Any]) -> Iterator[object]:
    for keyword, value in schema.items():
        if keyword in _ONE:
            yield value
        elif keyword in _LIST and isinstance(value, list):
            yield from value
        elif keyword in _MAP and isinstance(value, dict):
            yield from value.values()
        elif keyword not in _PLAIN | _LIST | _MAP:
            raise ValueError(f"the keyword {keyword[:40]!r} is not known here")


def check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Raise ValueError for what is no schema, or could take long."""
    if len(orjson.dumps(schema)) > MAX_SCHEMA_BYTES:
        raise ValueError(f"a schema has at most {MAX_SCHEMA_BYTES} bytes")
    if schema.get("$schema", DRAFT) != DRAFT:
        raise ValueError(f"a schema is of {DRAFT}")
    _Size(schema).add(schema, 0, ())
    _compiled(schema)
    return schema


AnswerSchema = Annotated[dict[str, JsonValue], AfterValidator(check_schema)]


def refuse_mismatch(schema: dict[str, Any], value: JsonValue) -> None:
    """Raise Invalid, with the place in `at`, when a value does not match; TooLarge when it is too large to be looked
    at."""
    if len(orjson.dumps(value)) > MAX_VALUE_BYTES:
        raise TooLarge(f"The value of an answer has at most {MAX_VALUE_BYTES} bytes.")
    error = next(_compiled(schema).iter_errors(value), None)
    if error is not None:
        at = "".join(f"/{step}" for step in error.instance_path)[:200]
        raise Invalid(f"The value does not match the schema at {at or 'its top'}: {error.message[:300]}.", at=at)


def _compiled(schema: dict[str, Any]) -> "Draft202012Validator":
    import jsonschema_rs  # noqa: PLC0415  # few sessions need it, and every command line would load it

    limits = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES)
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, pattern_options=limits, validate_formats=False, retriever=_retrieve, mask="the value"
        )
    except jsonschema_rs.ValidationError as error:
        at = "".join(f"/{step}" for step in error.instance_path)[:200]
        raise ValueError(f"it is no JSON Schema at {at or 'its top'}: {error.kind.name}") from None


def _retrieve(uri: str) -> Any:
    raise ValueError("A schema refers to nothing outside itself.")
