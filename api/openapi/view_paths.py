"""The routes of views as OpenAPI describes them: for each view its own, with the schema of what it keeps."""

import re
from collections.abc import Iterable, Sequence

from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import MAX_KEY, AnyProjection
from ...projections.authoring.shape import Column
from ..http.session_queries import MAX_PAGE, MAX_WAIT
from ..http.view_queries import WHERE
from ..transport.sse import SSE
from ..views.access import by_session
from ..views.cursor import CURSOR_PATTERN, MAX_CURSOR
from ..views.search import LABEL
from .operations import operation, parameter
from .schemas import COUNT, NAME, TEXT, TIME, Schema, array_of, object_of, ref

_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
_CURSOR: Schema = {"type": "string", "pattern": CURSOR_PATTERN, "maxLength": MAX_CURSOR}
_LIMIT = parameter("limit", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100})
_PLACE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}
_MOMENT: Schema = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 10**18 - 1}, TIME]}
_KINDS: dict[str, Schema] = {
    "text": {"type": "string", "pattern": r"^[^\u0000]*$", "maxLength": MAX_KEY},
    "integer": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "real": {"type": "number"},
    "boolean": {"type": "boolean"},
    "time": TIME,
}
_ARRIVING = [
    parameter("min_position", _PLACE),
    parameter("wait", {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}),
]

_KNOWN = [
    {**parameter("If-None-Match", TEXT, where="header"), "description": "The ETag of the document that is known"},
    {**parameter("Last-Event-ID", TEXT, where="header"), "description": "Its `id` in a stream, without parameters"},
]


def view_paths(projections: Sequence[AnyProjection]) -> Schema:
    """The paths."""
    paths: Schema = {"/v1/views": {"get": operation("list_views", "Which views there are", [], ref("Views"))}}
    for each in projections:
        paths |= _paths(each)
    if any(each.name == "sessions" for each in projections):
        answer = ref("sessions.Page")
        paths["/v1/search"] = {"get": operation("search_sessions", "Find sessions", _searching(), answer)}
    return paths


def view_schemas(projections: Iterable[AnyProjection]) -> Schema:
    """The schemas of what the views keep, each under the view's name and a dot."""
    state = {
        "position": COUNT,
        "behind": COUNT,
        "parked": COUNT,
        "health": {"enum": ["healthy", "degraded", "unhealthy"]},
    }
    states = {"enum": ["building", "current", "retired"]}
    progress = {"state": states, "rate": COUNT, "remaining": {"type": "number", "minimum": 0}}
    build = object_of({"build": COUNT, "version": COUNT, **progress, **state}, optional=("remaining",))
    described = {
        "view": TEXT,
        "version": COUNT,
        "keeps": {"enum": ["documents", "rows"]},
        "by_session": {"type": "boolean"},
        "search": array_of(TEXT),
        **state,
        "builds": array_of(build),
    }
    view = object_of(described, optional=tuple(state))
    made: Schema = {"Views": object_of({"views": array_of(view)})}
    for each in projections:
        made |= _schemas(each)
    return made


def _paths(projection: AnyProjection) -> Schema:
    name, where = projection.name, f"/v1/views/{projection.name}"
    documents = isinstance(projection, DocProjection)
    summary = (projection.model.__doc__ or name).split("\n")[0].strip()
    page = ref(f"{name}.Page")
    paths: Schema = {where: {"get": operation(f"{name}_list", f"A page of {name}", _listing(projection), page)}}
    if not documents and not by_session(projection):
        return paths
    key = parameter("key", NAME if by_session(projection) else _KEY, where="path")
    moment = [parameter("at", _MOMENT)] if by_session(projection) else []
    if documents:
        asked = [key, *moment, *_ARRIVING, *_KNOWN]
        one = operation(f"{name}_get", summary, asked, ref(f"{name}.Document"), also=(SSE,))
        one["responses"]["304"] = {"description": "The document is the one whose ETag was sent"}
    else:
        one = operation(f"{name}_get", summary, [key, *moment, *_listing(projection)], page)
    paths[f"{where}/{{key}}"] = {"get": one}
    if documents and by_session(projection):
        asked = [key, {**parameter("from", _MOMENT), "required": True}, parameter("to", _MOMENT)]
        answer = ref(f"{name}.Difference")
        paths[f"{where}/{{key}}/difference"] = {
            "get": operation(f"{name}_difference", f"What changed in {name} between two moments", asked, answer)
        }
    return paths


def _listing(projection: AnyProjection) -> list[Schema]:
    columns = _searchable(projection)
    orders = [f"{sign}{column.name}" for column in columns for sign in ("", "-")]
    return [
        *_ARRIVING,
        *[parameter(f"{WHERE}{column.name}", _KINDS[column.kind]) for column in columns],
        parameter("order", {"enum": orders}),
        parameter("after", _CURSOR),
        _LIMIT,
    ]


def _searching() -> list[Schema]:
    return [
        parameter("title", {"type": "string", "maxLength": 500}),
        parameter(f"{LABEL}stage", {"type": "string", "maxLength": 256}),
        parameter("with", NAME),
        parameter("status", {"enum": ["open", "closed"]}),
        parameter("since", TIME),
        parameter("until", TIME),
        parameter("order", {"enum": ["changed", "-changed", "opened", "-opened", "key", "-key"]}),
        parameter("after", _CURSOR),
        _LIMIT,
    ]


def _searchable(projection: AnyProjection) -> list[Column]:
    shape = projection.shape
    names = dict.fromkeys((*shape.key, *[name for index in shape.indexes for name in index]))
    return [column for column in shape.columns if column.name in names]


def _schemas(projection: AnyProjection) -> Schema:
    name = projection.name
    prefix = f"#/components/schemas/{name}."
    value = projection.model.model_json_schema(mode="serialization", ref_template=prefix + "{model}")
    made = {f"{name}.{_safe(model)}": schema for model, schema in value.pop("$defs", {}).items()}
    made[f"{name}.Value"] = value
    place = {"view": {"const": name}, "key": TEXT, "version": COUNT, "position": COUNT}
    held = ref(f"{name}.Value")
    if isinstance(projection, DocProjection):
        made[f"{name}.Document"] = object_of({**place, "value": held}, optional=("version",))
        patch = array_of({"type": "object", "required": ["op", "path"]})
        made[f"{name}.Difference"] = object_of(
            {"view": {"const": name}, "key": NAME, "from": COUNT, "to": COUNT, "patch": patch}
        )
        rows = {"documents": array_of(object_of({"key": TEXT, "value": held}))}
    else:
        rows = {"rows": array_of(held)}
    page = {**place, **rows, "next": TEXT}
    made[f"{name}.Page"] = object_of(page, optional=("key", "version", "next"))
    return made


def _safe(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", model)
