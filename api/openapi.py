"""The OpenAPI description of the HTTP routes, made from the models that the routes use."""

from functools import cache

from .. import __version__
from .frames import LOG_PLACE, SESSION_PLACE
from .query import MAX_PAGE, MAX_WAIT
from .schemas import NAME, Schema, ref, schemas

JSON_OBJECT = {"application/json": {"schema": {"type": "object"}}}
PLAIN_TEXT = {"text/plain": {"schema": {"type": "string"}}}


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
            "schemas": schemas(),
        },
    }


def _paths() -> Schema:
    session = _parameter("session", NAME, where="path")
    return {
        "/v1/sessions": {"get": _operation("list_sessions", "Sessions, by id", _listing(), ref("Sessions"))},
        "/v1/sessions/{session}": {"get": _operation("show_session", "The session now", [session], ref("Session"))},
        "/v1/sessions/{session}/events": {
            "get": _operation(
                "session_events", "A page of a session's events", [session, *_paging(SESSION_PLACE)], ref("SessionPage")
            )
        },
        "/v1/events": {"get": _operation("log_events", "A page of the whole log", _paging(LOG_PLACE), ref("LogPage"))},
        "/v1/sessions/{session}/commands": {"post": _command(session)},
        "/health": {"get": _probe("health", "Whether the process lives")},
        "/ready": {"get": _probe("ready", "Whether the gateway can serve")},
        "/metrics": {"get": _probe("metrics", "Numbers for Prometheus", PLAIN_TEXT)},
        "/openapi.json": {"get": _probe("openapi", "This document")},
    }


def _operation(name: str, summary: str, parameters: list[Schema], answer: Schema) -> Schema:
    content = {"application/json": {"schema": answer}}
    if name.endswith("_events"):
        content["application/x-ndjson"] = {"schema": {"type": "string"}}
        content["text/event-stream"] = {"schema": {"type": "string"}}
    problems = ["400", "401", "403", "404", "503"]
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
        "requestBody": {"required": True, "content": {"application/json": {"schema": ref("Command")}}},
        "responses": {
            "200": {"description": "Done, and durable", "content": {"application/json": {"schema": ref("Ack")}}},
            **_problems(["400", "401", "403", "404", "409", "413", "422", "429", "503"]),
        },
    }


def _probe(name: str, summary: str, content: Schema | None = None) -> Schema:
    answer = {"description": summary, "content": content or JSON_OBJECT}
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
        _parameter("prefix", NAME),
    ]


def _paging(place: str) -> list[Schema]:
    type: Schema = {"type": "string", "pattern": r"^[a-z][a-z0-9_.]*\*?$", "maxLength": 128}
    types: Schema = {"type": "array", "items": type, "minItems": 1, "maxItems": 64}
    return [
        _parameter("after", {"type": "string", "pattern": place, "default": "0"}),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}),
        {**_parameter("types", types), "style": "form", "explode": False},
        _parameter("reading", {"enum": ["raw", "folded"], "default": "raw"}),
        _parameter("wait", {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}),
    ]


def _identity() -> list[Schema]:
    return [
        {**_parameter("participant", NAME), "description": "Who asks, on an open gateway"},
        {**_parameter("kind", {"enum": ["agent", "user", "service"]}), "description": "Of what kind, likewise"},
    ]


def _parameter(name: str, schema: Schema, where: str = "query") -> Schema:
    return {"name": name, "in": where, "schema": schema, **({"required": True} if where == "path" else {})}


def _problems(statuses: list[str]) -> Schema:
    content = {"application/problem+json": {"schema": ref("Problem")}}
    return {status: {"description": "A problem (RFC 9457)", "content": content} for status in statuses}
