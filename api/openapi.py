"""The OpenAPI description of the HTTP routes, made from the models that the routes use."""

from functools import cache
from typing import Any

from pydantic import BaseModel

from .. import __version__
from ..domain.catalogue import BUILT_IN
from ..domain.commands import COMMANDS
from ..domain.envelope import Envelope, model_of_event
from ..domain.ids import NAME_PATTERN
from .frames import CommandFrame
from .query import MAX_PAGE, MAX_WAIT

Schema = dict[str, Any]
_REF = "#/components/schemas/{model}"
_NAME: Schema = {"type": "string", "pattern": NAME_PATTERN, "maxLength": 128}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_PLACE: Schema = {"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]}


@cache
def openapi() -> Schema:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Hansard",
            "version": __version__,
            "description": "An event-sourced session store for teams of AI agents. "
            "The WebSocket at /v1/ws is described in the protocol reference.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": _schemas(),
        },
    }


def _paths() -> Schema:
    session = _parameter("session", _NAME, where="path")
    return {
        "/v1/sessions": {"get": _operation("list_sessions", "Sessions, by id", _listing(), _ref("Sessions"))},
        "/v1/sessions/{session}": {
            "get": _operation("show_session", "The session now", [session], _ref("Session"), missing=True)
        },
        "/v1/sessions/{session}/events": {
            "get": _operation("session_events", "A page of a session's events", [session, *_paging()], _ref("Page"))
        },
        "/v1/events": {"get": _operation("log_events", "A page of the whole log", _paging(), _ref("Page"))},
        "/v1/sessions/{session}/commands": {"post": _command(session)},
        "/health": {"get": _probe("health", "Whether the process lives")},
        "/ready": {"get": _probe("ready", "Whether the gateway can serve")},
        "/openapi.json": {"get": _probe("openapi", "This document")},
    }


def _operation(name: str, summary: str, parameters: list[Schema], answer: Schema, missing: bool = False) -> Schema:
    content = {"application/json": {"schema": answer}}
    if name.endswith("_events"):
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
        content["text/event-stream"] = {"schema": {"type": "string"}}
    problems = ["400", "401", "403", "503", *(["404"] if missing else [])]
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, *_identity()],
        "responses": {"200": {"description": summary, "content": content}, **_problems(problems)},
    }


def _command(session: Schema) -> Schema:
    return {
        "operationId": "execute_command",
        "summary": "Carry out a command",
        "parameters": [session, *_identity()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Command")}}},
        "responses": {
            "200": {"description": "Done, and durable", "content": {"application/json": {"schema": _ref("Ack")}}},
            **_problems(["400", "401", "403", "404", "409", "413", "422", "429", "503"]),
        },
    }


def _probe(name: str, summary: str) -> Schema:
    answer = {"description": summary, "content": {"application/json": {"schema": {"type": "object"}}}}
    return {
        "operationId": name,
        "summary": summary,
        "security": [],
        "responses": {"200": answer, **_problems(["503"])},
    }


def _listing() -> list[Schema]:
    return [
        _parameter("after", {"type": "string", "maxLength": 128}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}),
        _parameter("prefix", _NAME),
    ]


def _paging() -> list[Schema]:
    types: Schema = {"type": "array", "items": {"type": "string", "pattern": r"^[a-z][a-z0-9_.]*\*?$"}, "maxItems": 64}
    return [
        _parameter("after", {"type": "string", "default": "0"}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}),
        {**_parameter("types", types), "style": "form", "explode": False},
        _parameter("reading", {"enum": ["raw", "folded"], "default": "raw"}),
        _parameter("wait", {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}),
    ]


def _identity() -> list[Schema]:
    return [
        {**_parameter("participant", _NAME), "description": "Who asks, on an open gateway"},
        {**_parameter("kind", {"enum": ["agent", "user", "service"]}), "description": "Of what kind, likewise"},
    ]


def _parameter(name: str, schema: Schema, where: str = "query") -> Schema:
    return {"name": name, "in": where, "schema": schema, **({"required": True} if where == "path" else {})}


def _problems(statuses: list[str]) -> Schema:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {status: {"description": "A problem (RFC 9457)", "content": content} for status in statuses}


def _schemas() -> Schema:
    made: Schema = {}
    events = {type: model_of_event(type, data) for type, data in BUILT_IN.items()}
    models: list[type[BaseModel]] = [*events.values(), *COMMANDS.values(), Envelope, CommandFrame]
    for model in models:
        schema = model.model_json_schema(ref_template=_REF)
        made.update(schema.pop("$defs", {}))
        made[model.__name__] = schema
    frame = made.pop("CommandFrame")
    for member in ("frame", "session"):
        frame["properties"].pop(member)
    frame["required"] = ["id", "do", "data"]
    frame["properties"]["do"] = {"type": "string", "enum": list(COMMANDS)}
    return {
        **made,
        "Command": frame,
        "Event": {"oneOf": [*(_ref(model.__name__) for model in events.values()), _ref("CustomEvent")]},
        "CustomEvent": _custom(made.pop("Envelope")),
        **_answers(),
    }


def _custom(envelope: Schema) -> Schema:
    properties = {**envelope["properties"], "type": {"type": "string", "pattern": r"^x\."}}
    return {**envelope, "properties": properties, "title": "CustomEvent"}


def _answers() -> Schema:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    summary = _object(
        {
            "session": _NAME,
            "version": _COUNT,
            "status": {"enum": ["none", "open", "closed"]},
            "title": {"type": "string"},
            "labels": labels,
            "opened": {"type": "string", "format": "date-time"},
        },
        optional=("title", "opened"),
    )
    gap = _object({"from": _COUNT, "to": _COUNT})
    events = {"type": "array", "items": {"type": "object"}}
    page = {
        "session": _NAME,
        "events": events,
        "to": _PLACE,
        "head": _PLACE,
        "caught_up": {"type": "boolean"},
        "gap": gap,
    }
    counts = {"type": "array", "items": _COUNT}
    ack = {"id": _NAME, "session": _NAME, "versions": counts, "positions": counts, "repeated": {"type": "boolean"}}
    return {
        "Sessions": _object({"sessions": {"type": "array", "items": summary}, "next": _NAME}, optional=("next",)),
        "Session": {"type": "object", "required": ["session", "version", "status", "participants", "state"]},
        "Page": _object(page, optional=("session", "gap")),
        "Ack": _object(ack, optional=("repeated",)),
        "Problem": _problem(),
    }


def _problem() -> Schema:
    text = {"type": "string"}
    properties = {"type": text, "title": text, "status": {"type": "integer"}, "code": text, "detail": text}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _object(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
