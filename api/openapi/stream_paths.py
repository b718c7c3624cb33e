"""The routes of the Durable Streams protocol, as OpenAPI describes them."""

from collections.abc import Mapping

from ...domain.concepts.streams.content import CONTENT_TYPE_PATTERN
from ..durable_streams.offsets import OFFSET_PATTERN
from ..durable_streams.paths import ROOT
from ..durable_streams.reading import LONG_POLL, SSE
from .operations import identity, parameter, problems
from .schemas import NAME, TEXT, Schema

_PLACE = OFFSET_PATTERN.replace("|now", "")
_INTEGER: Schema = {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,14})$"}
_PRINTABLE: Schema = {"type": "string", "pattern": r"^[!-~]+$", "maxLength": 256}
_CREATING: dict[str, tuple[Schema, str]] = {
    "Content-Type": (
        {"type": "string", "pattern": CONTENT_TYPE_PATTERN, "maxLength": 255},
        "Of what is appended; absent: application/octet-stream",
    ),
    "Stream-TTL": (
        {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,7})$"},
        "Seconds without a read or a write after which it is gone",
    ),
    "Stream-Expires-At": ({"type": "string", "format": "date-time"}, "When it is gone; not with Stream-TTL"),
    "Stream-Closed": (TEXT, "`true`: the body is all that there will be"),
    "Stream-Forked-From": ({"type": "string", "pattern": f"^({ROOT})?[A-Za-z0-9]+$", "maxLength": 100}, "What to fork"),
    "Stream-Fork-Offset": ({"type": "string", "pattern": _PLACE}, "Where; absent: at its end"),
    "Stream-Fork-Sub-Offset": (_INTEGER, "How many bytes, or JSON messages, behind that place the fork has besides"),
}
_APPENDING: dict[str, tuple[Schema, str]] = {
    "Stream-Closed": (TEXT, "`true`: this is the last"),
    "Stream-Seq": (_PRINTABLE, "Must be greater than the last, byte by byte"),
    "Producer-Id": (_PRINTABLE, "Whose append it is; the three of a producer come together"),
    "Producer-Epoch": (_INTEGER, "Which run of theirs"),
    "Producer-Seq": (_INTEGER, "Which append of the run: 0, 1, 2 …"),
}
_BODY: Schema = {
    "content": {
        "application/json": {
            "schema": {
                "anyOf": [
                    {"type": ["object", "string", "integer", "boolean"]},
                    {"type": "array", "minItems": 1, "items": {"type": ["object", "string"]}},
                ]
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}},
    }
}
_ANY_CONTENT: Schema = {"*/*": {"schema": {}}}


def stream_paths() -> Schema:
    """The paths. A stream's path may have slashes, too: they are colons in the session's id."""
    path = {**parameter("path", NAME, where="path"), "description": "The session's id; slashes are colons in it"}
    created = _operation("create_stream", "Create a stream, or a fork of one", _headers(_CREATING), ["409", "413"])
    created |= {"requestBody": {"content": _ANY_CONTENT}}
    created["responses"] |= {"201": _done("It was created"), "200": _done("It is there, as it is wanted")}
    appended = _operation(
        "append_to_stream", "Append to a stream, or close it", _headers(_APPENDING), ["405", "409", "410", "413"]
    )
    appended |= {"requestBody": _BODY}
    appended["responses"] |= {
        "200": _done("Appended, by a producer"),
        "204": _done("Appended, or it was before; or the stream is closed"),
    }
    deleted = _operation("delete_stream", "Delete a stream", [], ["405", "409", "410"])
    deleted["responses"]["204"] = _done("Deleted")
    return {
        f"{ROOT}{{path}}": {
            "parameters": [path],
            "put": created,
            "post": appended,
            "get": _read(),
            "head": _head(),
            "delete": deleted,
        }
    }


def _read() -> Schema:
    offset = {"type": "string", "pattern": OFFSET_PATTERN, "description": "The place behind which to read"}
    live = {"enum": [LONG_POLL, SSE], "description": "Wait for what comes next; then `offset` must be there"}
    asked = [parameter("offset", offset), parameter("live", live), parameter("cursor", TEXT)]
    known = {**parameter("If-None-Match", TEXT, where="header"), "description": "The ETag of what is known"}
    found = _operation("read_stream", "Read a stream, or a session's events as JSON", [*asked, known], ["410"])
    found["responses"] |= {
        "200": {"description": "What comes behind the offset", "content": _ANY_CONTENT},
        "204": _done("Nothing came while it was waited for"),
        "304": _done("It is what is known"),
    }
    return found


def _head() -> Schema:
    found = _operation("show_stream", "Where a stream ends, and of what type it is", [], ["410"])
    found["responses"]["200"] = {"description": "There is such a stream"}
    return found


def _operation(name: str, summary: str, parameters: list[Schema], more: list[str]) -> Schema:
    statuses = ["400", "401", "403", "404", "429", "503", *more]
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [*parameters, *identity()],
        "responses": problems(statuses),
    }


def _headers(described: Mapping[str, tuple[Schema, str]]) -> list[Schema]:
    return [
        {**parameter(name, schema, where="header"), "description": text} for name, (schema, text) in described.items()
    ]


def _done(description: str) -> Schema:
    return {"description": description}
