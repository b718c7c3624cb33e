"""The routes of views as OpenAPI describes them: for each view its own, with the schema of what it keeps."""

import re
from collections.abc import Iterable, Sequence

from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import MAX_KEY, AnyProjection
from ...projections.views import timeline
from ..http.answer import HttpAnswer
from ..http.console.timeline_routes import WindowQuery
from ..http.view_answers import (
    BuildAnswer,
    DocumentAnswer,
    DocumentDifference,
    DocumentsPage,
    RowsPage,
    TimelineWindow,
    ViewsAnswer,
)
from ..http.view_queries import WHERE_PREFIX, DifferenceQuery, RowsQuery, ViewQuery
from ..transport.sse_connection import EVENT_STREAM
from ..views.access import by_session, searchable
from ..views.search import LABEL_PREFIX, SearchQuery
from .operations import operating, operation, parameter, query_parameters
from .schemas import NAME, TEXT, TIME, Schema, answer_schemas, component_of

_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
_KINDS: dict[str, Schema] = {
    "text": {"type": "string", "pattern": r"^[^\u0000]*$", "maxLength": MAX_KEY},
    "integer": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "real": {"type": "number"},
    "boolean": {"type": "boolean"},
    "time": TIME,
}
_OPERATIONS = {
    "rebuild": "Build a view again, beside what readers see",
    "promote": "Let readers see what was built",
}
_KNOWN_ETAG = [
    {**parameter("If-None-Match", TEXT, where="header"), "description": "The ETag of the document that is known"},
    {**parameter("Last-Event-ID", TEXT, where="header"), "description": "Its `id` in a stream, without parameters"},
]


def view_paths(projections: Sequence[AnyProjection]) -> Schema:
    """The paths."""
    paths: Schema = {
        "/v1/views": {"get": operation("list_views", "Which views there are", [], component_of(ViewsAnswer))}
    }
    view = parameter("view", {"enum": [each.name for each in projections]}, where="path")
    for what, summary in _OPERATIONS.items():
        done = operating(f"{what}_view", summary, [view], component_of(BuildAnswer))
        paths[f"/v1/views/{{view}}/{what}"] = {"post": done}
    for each in projections:
        paths |= _paths(each)
    if any(each.name == "sessions" for each in projections):
        answer = component_of(DocumentsPage, "sessions.")
        paths["/v1/search"] = {"get": operation("search_sessions", "Find sessions", _searching(), answer)}
    return paths


def view_schemas(projections: Iterable[AnyProjection]) -> Schema:
    """The schemas of what the views hold, each under the view's name and a dot."""
    made: Schema = {}
    for each in projections:
        made |= _schemas(each)
    return made


def _paths(projection: AnyProjection) -> Schema:
    name, where = projection.name, f"/v1/views/{projection.name}"
    documents = isinstance(projection, DocProjection)
    summary = (projection.model.__doc__ or name).split("\n")[0].strip()
    page = component_of(DocumentsPage if documents else RowsPage, f"{name}.")
    listed = [each for each in _listing(projection) if each["name"] != "at"]
    paths: Schema = {where: {"get": operation(f"{name}_list", f"A page of {name}", listed, page)}}
    if not documents and not by_session(projection):
        return paths
    key = parameter("key", NAME if by_session(projection) else _KEY, where="path")
    if documents:
        asked = [each for each in query_parameters(ViewQuery) if each["name"] != "at" or by_session(projection)]
        answer = component_of(DocumentAnswer, f"{name}.")
        one = operation(f"{name}_get", summary, [key, *asked, *_KNOWN_ETAG], answer, also=(EVENT_STREAM,))
        one["responses"]["304"] = {"description": "The document is the one whose ETag was sent"}
    else:
        one = operation(f"{name}_get", summary, [key, *_listing(projection)], page)
    paths[f"{where}/{{key}}"] = {"get": one}
    if by_session(projection):
        asked = [key, *query_parameters(DifferenceQuery)]
        answer = component_of(DocumentDifference, f"{name}.")
        paths[f"{where}/{{key}}/difference"] = {
            "get": operation(f"{name}_difference", f"What changed in {name} between two moments", asked, answer)
        }
    if name == timeline.name:
        asked, answer = [key, *query_parameters(WindowQuery)], component_of(TimelineWindow, f"{name}.")
        paths[f"{where}/{{key}}/window"] = {
            "get": operation(f"{name}_window", "What there is to be drawn of a window of time", asked, answer)
        }
    return paths


def _listing(projection: AnyProjection) -> list[Schema]:
    columns = [each for each in map(projection.shape.column, searchable(projection)) if each is not None]
    orders = [f"{sign}{column.name}" for column in columns for sign in ("", "-")]
    return [
        *query_parameters(RowsQuery, {"order": {"enum": orders}}),
        *[parameter(f"{WHERE_PREFIX}{column.name}", _KINDS[column.kind]) for column in columns],
    ]


def _searching() -> list[Schema]:
    stage = parameter(f"{LABEL_PREFIX}stage", {"type": "string", "maxLength": 256})
    return [*query_parameters(SearchQuery), {**stage, "description": "Any label, by its name"}]


def _schemas(projection: AnyProjection) -> Schema:
    prefix = f"{projection.name}."
    answers: tuple[type[HttpAnswer], ...] = (
        (DocumentAnswer, DocumentDifference, DocumentsPage)
        if isinstance(projection, DocProjection)
        else (DocumentDifference, RowsPage)
    )
    answers += (TimelineWindow,) if projection.name == timeline.name else ()
    made = answer_schemas(answers, prefix)
    for each in made.values():
        if "view" in each["properties"]:
            each["properties"]["view"] = {"const": projection.name}
    template = f"#/components/schemas/{prefix}Value.{{model}}"
    value = projection.model.model_json_schema(mode="serialization", ref_template=template)
    made |= {f"{prefix}Value.{_safe(model)}": schema for model, schema in value.pop("$defs", {}).items()}
    return {**made, f"{prefix}Value": value}


def _safe(model: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", model)
