"""What every answer of a route is: a model, which the handler returns and from which OpenAPI describes the route.

What is JSON already (events, what views hold) is put into a member as an `orjson.Fragment`: its bytes are spliced into
the answer, and never decoded and encoded again.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema

from ...domain.ids import NAME_PATTERN

Absent = SkipJsonSchema[None]
"""`T | Absent = None`: a member that is left out where it is not given."""
Id = Annotated[str, WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "maxLength": 128})]
"""What was checked when it came in is described, and not checked again."""
Number = Annotated[int, Field(ge=0)]


def component(name: str) -> WithJsonSchema:
    """Describes a member by a component of the OpenAPI document that is not made of an answer's model."""
    return WithJsonSchema({"component": name})


def components(name: str) -> WithJsonSchema:
    """Describes a list of them."""
    return WithJsonSchema({"type": "array", "items": {"component": name}})


class HttpAnswer(BaseModel):
    """A JSON object. What is not given when it is made is left out; it can be made from attributes, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class ProblemAnswer(BaseModel):
    """What went wrong (RFC 9457). `code` is for programs; some problems say more."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class AliveAnswer(HttpAnswer):
    """The process lives."""

    status: Literal["alive"]


class ReadyAnswer(HttpAnswer):
    """The gateway can serve: where the main log ends, how many commands wait, for how many seconds it has not been
    certain what other gateways have written, and by how many seconds this machine's clock is ahead of the log's time.
    A warning is about what is wrong and keeps nobody from being served. `stopped_views` are those that do not go on
    before an operator does something; everything else does."""

    status: Literal["ready"]
    read_only: bool | Absent = None
    position: Number
    waiting: Number
    lag: float
    clock_offset: float
    warning: str | Absent = None
    stopped_views: tuple[str, ...] | Absent = None


def maker_of(model: type[HttpAnswer]) -> Callable[[Any], dict[str, Any]]:
    """What makes the members of an answer of an object with its attributes, unchecked: of what the gateway itself
    holds, a validated model of each would be most of the time that a long answer takes. A `dict` has its members
    already."""
    fields = model.model_fields
    names = tuple(fields)
    attributes = attrgetter(*[_attribute(name, field) for name, field in fields.items()])
    converters = [
        (name, each.func)
        for name, field in fields.items()
        for each in field.metadata
        if isinstance(each, BeforeValidator)
    ]

    def make(value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        members = dict(zip(names, attributes(value), strict=True))
        for name, convert in converters:
            members[name] = convert(members[name])  # type: ignore[call-arg]
        return members

    return make


def _attribute(name: str, field: FieldInfo) -> str:
    alias = field.validation_alias
    return ".".join(map(str, alias.path)) if isinstance(alias, AliasPath) else str(alias or name)


def members_of(value: Any) -> dict[str, Any]:
    """What of a model goes over the wire; `orjson` asks for each that it meets."""
    if not isinstance(value, HttpAnswer):
        dumped: dict[str, Any] = value.model_dump()
        return dumped
    members, given = value.__dict__, value.model_fields_set
    if len(given) == len(members) and "from_" not in members:
        return members
    return {"from" if name == "from_" else name: each for name, each in members.items() if name in given}
