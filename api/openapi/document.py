"""The OpenAPI description of the HTTP routes, made from the models that the routes use."""

from collections.abc import Callable, Iterable, Sequence

import orjson

from ... import __version__
from ...projections.authoring.projection import AnyProjection
from ..delivery.log_cursor import CURSOR_PATTERN
from ..delivery.resume_point import RESUME_POINT_PATTERN
from ..http.answer import AliveAnswer, HttpAnswer, ReadyAnswer
from ..http.event_answers import EventChainAnswer, LogPageAnswer, SessionPageAnswer
from ..http.event_routes import NDJSON
from ..http.moments import SessionQuery
from ..http.session_answers import SessionAnswer, SessionsAnswer
from ..protocol.queries import EventsQuery, SessionsQuery
from ..transport.sse_connection import EVENT_STREAM
from .ag_ui_paths import ag_ui_paths, ag_ui_schemas
from .ai_sdk_paths import ai_sdk_paths, ai_sdk_schemas
from .langchain_paths import langchain_paths, langchain_schemas
from .operations import command, operation, parameter, probe, query_parameters
from .otlp_paths import otlp_paths, otlp_schemas
from .recording_paths import recording_paths, recording_schemas
from .schemas import NAME, Schema, component_of, schemas
from .stream_paths import stream_paths
from .subscription_paths import subscription_paths, subscription_schemas
from .tanstack_paths import tanstack_paths, tanstack_schemas
from .view_paths import view_paths, view_schemas

FOREIGN: dict[str, tuple[Callable[[], Schema], Callable[[], Schema]]] = {
    "durable_streams": (stream_paths, dict),
    "durable_streams_subscriptions": (subscription_paths, subscription_schemas),
    "ag_ui": (ag_ui_paths, ag_ui_schemas),
    "ai_sdk": (ai_sdk_paths, ai_sdk_schemas),
    "langchain": (langchain_paths, langchain_schemas),
    "tanstack_ai": (tanstack_paths, tanstack_schemas),
    "otlp": (otlp_paths, otlp_schemas),
}
"""The paths and schemas of the protocols that are not ours, by the settings that switch them off."""


def openapi_json(projections: Sequence[AnyProjection], served: Iterable[str] = FOREIGN) -> bytes:
    """The document as JSON, for a gateway that keeps views of these projections, and serves these other protocols. It
    takes about a tenth of a second."""
    return orjson.dumps(openapi(projections, served))


def openapi(projections: Iterable[AnyProjection], served: Iterable[str] = FOREIGN) -> Schema:
    """The document, for such a gateway."""
    views = tuple(projections)
    foreign = [FOREIGN[name] for name in served]
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
        "paths": {
            **_paths(),
            **recording_paths(),
            **view_paths(views),
            **{path: described for paths, _ in foreign for path, described in paths().items()},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "token": {"type": "apiKey", "in": "query", "name": "token", "description": "The same JWT"},
            },
            "schemas": {
                **schemas(),
                **recording_schemas(),
                **view_schemas(views),
                **{name: schema for _, more in foreign for name, schema in more().items()},
            },
        },
    }


def _paths() -> Schema:
    session, event = [parameter(name, NAME, where="path") for name in ("session", "event")]
    listed, moment = query_parameters(SessionsQuery), [session, *query_parameters(SessionQuery)]
    return {
        "/v1/sessions": {"get": operation("list_sessions", "Sessions, by id", listed, component_of(SessionsAnswer))},
        "/v1/sessions/{session}": {
            "get": operation("show_session", "The session, now or at a moment", moment, component_of(SessionAnswer))
        },
        "/v1/sessions/{session}/events": {
            "get": _events(
                "session_events", "A page of a session's events", [session], RESUME_POINT_PATTERN, SessionPageAnswer
            )
        },
        "/v1/sessions/{session}/events/{event}/causes": {
            "get": operation("event_causes", "What led to an event", [session, event], component_of(EventChainAnswer))
        },
        "/v1/sessions/{session}/events/{event}/effects": {
            "get": operation("event_effects", "What an event led to", [session, event], component_of(EventChainAnswer))
        },
        "/v1/events": {"get": _events("log_events", "A page of the whole log", [], CURSOR_PATTERN, LogPageAnswer)},
        "/v1/sessions/{session}/commands": {"post": command(session)},
        "/health": {"get": probe("health", "Whether the process lives", component_of(AliveAnswer))},
        "/ready": {"get": probe("ready", "Whether the gateway can serve", component_of(ReadyAnswer))},
        "/metrics": {"get": probe("metrics", "Numbers for Prometheus", {"type": "string"}, "text/plain")},
        "/openapi.json": {"get": probe("openapi", "This document")},
    }


def _events(name: str, summary: str, path: list[Schema], place: str, page: type[HttpAnswer]) -> Schema:
    after = {"type": "string", "pattern": place, "default": "0"}
    before = {"type": "string", "pattern": place, "description": "The page in front of this place; goes before `last`"}
    last = {**parameter("Last-Event-ID", {"type": "string", "pattern": f"^$|{place}"}, where="header")}
    asked = query_parameters(EventsQuery, {"after": after, "before": before})
    for each in asked:
        if each["name"] == "types":
            each |= {"schema": {**each["schema"], "minItems": 1}, "style": "form", "explode": False}
    asked = [*path, *asked, {**last, "description": "Goes before `after`"}]
    return operation(name, summary, asked, component_of(page), also=(NDJSON, EVENT_STREAM))
