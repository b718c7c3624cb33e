"""The routes for those who record, as OpenAPI describes them."""

from ...domain.audience import RESERVED
from ...domain.commands import COMMANDS
from ...domain.model import TIMEKEEPER, CommandData
from ..recording.recorded_commands import RecordedAnswer, RecordedCommand, RecordedInput
from .operations import JSON, action, parameter
from .schemas import NAME, Schema, answer_schemas, component_of, ref

_PARTICIPANT: Schema = {**NAME, "not": {"enum": sorted({*RESERVED, TIMEKEEPER.id})}}


def recording_paths() -> Schema:
    """The paths."""
    session = parameter("session", NAME, where="path")
    done: Schema = {JSON: {"schema": component_of(RecordedAnswer)}}
    return {
        "/v1/sessions/{session}/recorded": {
            "post": action("record", "Record what others did elsewhere", [session], ref(RecordedInput.__name__), done)
        },
    }


def recording_schemas() -> Schema:
    """The schemas of what goes in and comes out."""
    commands = {f"Record{model.__name__}": _recorded(model) for model in COMMANDS.values()}
    names = {do: ref(f"Record{model.__name__}")["$ref"] for do, model in COMMANDS.items()}
    given = RecordedInput.model_json_schema()
    either = {"oneOf": [ref(name) for name in commands], "discriminator": {"propertyName": "do", "mapping": names}}
    given.pop("$defs")
    properties = {
        "commands": {**given["properties"]["commands"], "items": either},
        "here": {**given["properties"]["here"], "items": _PARTICIPANT},
    }
    return {
        **commands,
        RecordedInput.__name__: {**given, "properties": properties},
        **answer_schemas((RecordedAnswer,)),
    }


def _recorded(model: type[CommandData]) -> Schema:
    made = RecordedCommand.model_json_schema()
    said = {"actor": _PARTICIPANT, "do": {"const": model.do}, "data": ref(model.__name__)}
    return {**made, "title": model.do, "description": model.__doc__, "properties": {**made["properties"], **said}}
