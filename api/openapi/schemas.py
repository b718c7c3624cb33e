"""The JSON Schemas (draft 2020-12) of what goes over HTTP, made from the models that the routes use."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ...domain.catalogue import BUILT_IN
from ...domain.commands import COMMANDS
from ...domain.envelope import Envelope, model_of_event
from ...domain.ids import NAME_PATTERN
from ...domain.model import CommandData
from ..http.answer import AliveAnswer, ProblemAnswer, ReadyAnswer
from ..http.event_answers import EventChainAnswer, LogPageAnswer, SessionPageAnswer
from ..http.session_answers import AckAnswer, SessionAnswer, SessionsAnswer
from ..http.view_answers import BuildAnswer, ViewsAnswer
from ..protocol.client_frames import CommandFrame

Schema = dict[str, Any]
NAME: Schema = {"type": "string", "pattern": NAME_PATTERN, "maxLength": 128}
TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
ANSWERS = (
    AckAnswer,
    AliveAnswer,
    EventChainAnswer,
    LogPageAnswer,
    ProblemAnswer,
    ReadyAnswer,
    SessionAnswer,
    SessionPageAnswer,
    SessionsAnswer,
    ViewsAnswer,
    BuildAnswer,
)
_SUFFIX = "Answer"
_REF = "#/components/schemas/{model}"
_EITHER = {"PostMessage": [{"required": ["text"]}, {"required": ["parts"]}]}
"""What a command's model says in code."""


def schemas() -> Schema:
    """All of them by name."""
    events = {type: model_of_event(type, data) for type, data in BUILT_IN.items()}
    made: Schema = {}
    models: list[type[BaseModel]] = [*events.values(), *COMMANDS.values(), Envelope, CommandFrame]
    for model in models:
        schema = model.model_json_schema(ref_template=_REF)
        made.update(schema.pop("$defs", {}))
        made[model.__name__] = schema
    for model_name, either in _EITHER.items():
        made[model_name] = _required(made[model_name], either)
    frame, envelope = made.pop("CommandFrame"), made.pop("Envelope")
    commands = {f"Do{model.__name__}": _command(frame, model) for model in COMMANDS.values()}
    names = {do: ref(f"Do{model.__name__}")["$ref"] for do, model in COMMANDS.items()}
    closed: Schema = _closed({**made, **commands})
    return {
        **closed,
        "Command": {
            "oneOf": [ref(name) for name in commands],
            "discriminator": {"propertyName": "do", "mapping": names},
        },
        "Event": {"oneOf": [*(ref(model.__name__) for model in events.values()), ref("CustomEvent")]},
        "CustomEvent": _custom(envelope),
        **answer_schemas(ANSWERS),
    }


def ref(name: str) -> Schema:
    """A reference to one of them."""
    return {"$ref": _REF.format(model=name)}


def _command(frame: Schema, model: type[CommandData]) -> Schema:
    properties = {name: schema for name, schema in frame["properties"].items() if name not in ("frame", "session")}
    properties |= {"do": {"const": model.do}, "data": ref(model.__name__)}
    required = ["id", "do", "data"]
    return {**frame, "title": model.do, "description": model.__doc__, "properties": properties, "required": required}


def _required(schema: Schema, either: list[Schema]) -> Schema:
    """Exactly one of these is there, and is not null or empty."""
    properties = dict(schema["properties"])
    for each in either:
        for name in each["required"]:
            given = dict(properties[name])
            given.pop("default", None)
            if "anyOf" in given:
                given = {**given, **given.pop("anyOf")[0]}
            properties[name] = {"minItems": 1, **given} if given.get("type") == "array" else given
    return {**schema, "properties": properties, "oneOf": either}


def _closed(schema: Any) -> Any:
    """What pydantic leaves unsaid: members that match no pattern are refused, and a tag must be there."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    more: Schema = {"additionalProperties": False} if "patternProperties" in schema else {}
    tags = [name for name, each in schema.get("properties", {}).items() if {"const", "default"} <= each.keys()]
    if tags:
        more["required"] = [*schema.get("required", ()), *tags]
    return {**{name: _closed(each) for name, each in schema.items()}, **more}


def _custom(envelope: Schema) -> Schema:
    properties = {**envelope["properties"], "type": {"type": "string", "pattern": r"^x\."}}
    return {**envelope, "properties": properties, "title": "CustomEvent"}


def component_of(answer: type[BaseModel], prefix: str = "") -> Schema:
    """A reference to the component that an answer's model describes: it is called as the model, without `Answer`."""
    return ref(f"{prefix}{answer.__name__.removesuffix(_SUFFIX)}")


def input_schemas(models: Iterable[type[BaseModel]]) -> Schema:
    """The schemas of bodies that are models."""
    made: Schema = {}
    for model in models:
        schema = model.model_json_schema(ref_template=_REF)
        made |= schema.pop("$defs", {})
        made[model.__name__] = schema
    return made


def answer_schemas(answers: tuple[type[BaseModel], ...], prefix: str = "") -> dict[str, Schema]:
    """The schemas of these answers and of what is in them, each under its name with `prefix` before it."""
    described = _resolved(_described(answers), prefix)
    return {f"{prefix}{name.removesuffix(_SUFFIX)}": schema for name, schema in described.items()}


@cache
def _described(answers: tuple[type[BaseModel], ...]) -> Schema:
    _, schema = models_json_schema([(each, "serialization") for each in answers], ref_template=_REF)
    definitions: Schema = schema["$defs"]
    return definitions


def _resolved(schema: Any, prefix: str) -> Any:
    """A copy with references as the document has them, and without defaults of members that are left out."""
    if isinstance(schema, list):
        return [_resolved(each, prefix) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "component" in schema:
        return ref(f"{prefix}{schema['component']}")
    if "$ref" in schema:
        return ref(f"{prefix}{schema['$ref'].rpartition('/')[2].removesuffix(_SUFFIX)}")
    return {name: _resolved(each, prefix) for name, each in schema.items() if (name, each) != ("default", None)}
