"""Answers about views. What a view holds is rendered by the view and spliced in."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from ...projections.authoring.document import DocProjection
from ...projections.authoring.projection import AnyProjection
from ...projections.health import Health, Verdict
from ..views.access import by_session, searchable
from .answer import Absent, HttpAnswer, Id, Number, component

Value = Annotated[Any, component("Value")]
"""What a view holds under a key: of the projection's model."""
Patch = Annotated[Any, WithJsonSchema({"type": "array", "items": {"type": "object", "required": ["op", "path"]}})]


class BuildDescription(HttpAnswer):
    """A build of a view, and how far it has come. What is wrong with it may say what not everyone may know, and is left
    out."""

    build: Number
    version: Number
    state: Literal["building", "current", "retired"]
    rate: Number
    remaining: Annotated[float, Field(ge=0)] | Absent = None
    position: Number
    behind: Number
    parked: Number
    health: Verdict


class ViewDescription(HttpAnswer):
    """A view, how far the build has come that readers see, if there is one, and all of its builds."""

    view: str
    version: Number
    keeps: Literal["documents", "rows"]
    by_session: bool
    search: list[str]
    position: Number | Absent = None
    behind: Number | Absent = None
    parked: Number | Absent = None
    health: Verdict | Absent = None
    builds: list[BuildDescription]


class ViewsAnswer(HttpAnswer):
    """Which views there are."""

    views: list[ViewDescription]


class BuildAnswer(HttpAnswer):
    """A build that was begun, or promoted."""

    view: str
    build: BuildDescription


class DocumentAnswer(HttpAnswer):
    """A document as it is, or as it was at a version of its session."""

    view: str
    key: str
    version: Number | Absent = None
    position: Number
    value: Value


class DocumentDifference(HttpAnswer):
    """What changed between two versions of a session, as a JSON Patch (RFC 6902): in a document, or in its rows as one
    object."""

    view: str
    key: Id
    from_: Number = Field(alias="from")
    to: Number
    patch: Patch


class KeyedDocument(HttpAnswer):
    """A document in a list."""

    key: str
    value: Value


class ViewPage(HttpAnswer):
    """What all pages of views say; `next` is the `after` of the next one."""

    view: str
    key: str | Absent = None
    version: Number | Absent = None
    position: Number
    next: str | Absent = None


class DocumentsPage(ViewPage):
    """A page of documents."""

    documents: list[KeyedDocument]


class RowsPage(ViewPage):
    """A page of rows."""

    rows: list[Value]


class TimelineWindow(HttpAnswer):
    """Spans of a window of time, in the order in which they begin; `sampled`: there are more of them than these."""

    view: str
    key: Id
    position: Number
    sampled: bool
    rows: list[Value]


def describe(projection: AnyProjection, found: list[Health]) -> ViewDescription:
    """A view, by what is known of all builds."""
    own = [each for each in found if each.build.name == projection.name]
    return ViewDescription(
        view=projection.name,
        version=projection.version,
        keeps="documents" if isinstance(projection, DocProjection) else "rows",
        by_session=by_session(projection),
        search=sorted(searchable(projection)),
        builds=[_build(each) for each in own],
        **next((_progress(each) for each in own if each.build.state == "current"), {}),
    )


def build_of(found: list[Health], id: int) -> BuildDescription:
    """A build, by what is known of all."""
    return _build(next(each for each in found if each.build.id == id))


def _build(health: Health) -> BuildDescription:
    build = health.build
    about = {"build": build.id, "version": build.version, "state": build.state, "rate": round(build.rate)}
    remaining = {} if health.remaining is None else {"remaining": round(health.remaining, 1)}
    return BuildDescription.model_validate({**about, **remaining, **_progress(health)})


def _progress(health: Health) -> dict[str, Any]:
    build = health.build
    return {
        "position": build.checkpoint.position,
        "behind": health.behind,
        "parked": build.parked,
        "health": health.verdict,
    }
