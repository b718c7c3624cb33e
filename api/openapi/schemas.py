"""The JSON Schemas (draft 2020-12) of what goes over HTTP, made from the models that the routes use."""

from typing import Any

from pydantic import BaseModel

from ...domain.catalogue import BUILT_IN
from ...domain.commands import COMMANDS
from ...domain.envelope import Envelope, model_of_event
from ...domain.ids import NAME_PATTERN
from ...domain.model import CommandData
from ..delivery.log_cursor import CURSOR_PATTERN
from ..protocol.client_frames import CommandFrame

Schema = dict[str, Any]
NAME: Schema = {"type": "string", "pattern": NAME_PATTERN, "maxLength": 128}
COUNT: Schema = {"type": "integer", "minimum": 0}
TEXT: Schema = {"type": "string"}
TIME: Schema = {"type": "string", "format": "date-time"}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
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
        **_answers(),
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


def _answers() -> Schema:
    summary = object_of(
        {
            "session": NAME,
            "version": COUNT,
            "status": {"enum": ["none", "open", "closed"]},
            "title": TEXT,
            "labels": LABELS,
            "opened": TIME,
        },
        optional=("title", "opened"),
    )
    gap = object_of({"from": COUNT, "to": COUNT})
    page = {"events": array_of(ref("Event")), "caught_up": {"type": "boolean"}, "gap": gap}
    cursor = {"type": "string", "pattern": CURSOR_PATTERN}
    counts = array_of(COUNT)
    ack = {"id": NAME, "session": NAME, "versions": counts, "positions": counts, "repeated": {"type": "boolean"}}
    return {
        "Sessions": object_of({"sessions": array_of(summary), "next": NAME}, optional=("next",)),
        "SessionPage": object_of({"session": NAME, **page, "to": COUNT, "head": COUNT}, optional=("gap",)),
        "LogPage": object_of({**page, "to": cursor, "head": cursor}, optional=("gap",)),
        "Ack": object_of(ack, optional=("repeated",)),
        "Problem": _problem(),
    }


def _problem() -> Schema:
    properties = {"type": TEXT, "title": TEXT, "status": {"type": "integer"}, "code": TEXT, "detail": TEXT}
    return {"type": "object", "properties": properties, "required": list(properties)}


def array_of(items: Schema) -> Schema:
    """Any number of these."""
    return {"type": "array", "items": items}


def or_null(schema: Schema) -> Schema:
    """This, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def object_of(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    """An object of these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
