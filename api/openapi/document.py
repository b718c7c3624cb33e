"""The OpenAPI description of the HTTP routes, made from the models that the routes use."""

from collections.abc import Iterable
from typing import Any

from ... import __version__
from ...projections.authoring.projection import Projection
from ..delivery.log_cursor import CURSOR_PATTERN
from ..http.event_routes import NDJSON
from ..http.session_queries import MAX_PAGE, MAX_WAIT
from ..protocol.client_frames import SESSION_PLACE
from ..transport.sse import SSE
from .operations import TYPES, command, operation, parameter, probe
from .schemas import NAME, Schema, ref, schemas
from .session_schema import session_schema
from .view_paths import view_paths, view_schemas

PLAIN_TEXT = {"text/plain": {"schema": {"type": "string"}}}


def openapi(projections: Iterable[Projection[Any, Any]]) -> Schema:
    """The document, for a gateway that keeps views of these projections."""
    views = tuple(projections)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Stenogram",
            "version": __version__,
            "description": "An event-sourced session store for teams of AI agents. "
            "The WebSocket at /v1/ws is described in the protocol reference.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"token": []}, {}],
        "paths": {**_paths(), **view_paths(views)},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token": {"type": "apiKey", "in": "query", "name": "token", "description": "The same JWT"},
            },
            "schemas": {**schemas(), "Session": session_schema(), **view_schemas(views)},
        },
    }


def _paths() -> Schema:
    session = parameter("session", NAME, where="path")
    return {
        "/v1/sessions": {"get": operation("list_sessions", "Sessions, by id", _listing(), ref("Sessions"))},
        "/v1/sessions/{session}": {"get": operation("show_session", "The session now", [session], ref("Session"))},
        "/v1/sessions/{session}/events": {
            "get": _events("session_events", "A page of a session's events", [session], SESSION_PLACE, "SessionPage")
        },
        "/v1/events": {"get": _events("log_events", "A page of the whole log", [], CURSOR_PATTERN, "LogPage")},
        "/v1/sessions/{session}/commands": {"post": command(session)},
        "/health": {"get": probe("health", "Whether the process lives")},
        "/ready": {"get": probe("ready", "Whether the gateway can serve")},
        "/metrics": {"get": probe("metrics", "Numbers for Prometheus", PLAIN_TEXT)},
        "/openapi.json": {"get": probe("openapi", "This document")},
    }


def _listing() -> list[Schema]:
    return [
        parameter("after", {"type": "string", "maxLength": 128}),
        parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}),
        parameter("prefix", NAME),
    ]


def _events(name: str, summary: str, parameters: list[Schema], place: str, page: str) -> Schema:
    last = {"type": "string", "pattern": f"^$|{place}"}
    asked = [
        *parameters,
        parameter("after", {"type": "string", "pattern": place, "default": "0"}),
        {**parameter("last", {"type": "integer", "minimum": 0}), "description": "From so many before the end on"},
        {**parameter("Last-Event-ID", last, where="header"), "description": "Goes before `after`"},
        parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100}),
        {**parameter("types", TYPES), "style": "form", "explode": False},
        parameter("reading", {"enum": ["raw", "folded"], "default": "raw"}),
        parameter("wait", {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}),
    ]
    return operation(name, summary, asked, ref(page), also=(NDJSON, SSE))
