"""The queries of the routes for views, validated."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError

from ...domain.errors import Invalid
from ...domain.timestamps import Time
from ...domain.wording.patterns import NO_NUL, pattern
from ...projections.authoring.projection import MAX_KEY, AnyProjection
from ...projections.authoring.shape import Kind, Shape
from ..protocol.queries import MAX_PAGE_ITEMS, MAX_WAIT_S, Query, members_of, session_named, validated
from ..views.access import by_session
from ..views.page_cursor import PageCursor
from .moments import AtMoment

WHERE_PREFIX = "where."
Number = Annotated[int, Field(ge=0, le=2**53)]
_ORDER = pattern(r"^-?[a-z][a-z0-9_]*$", "the name of a column; with - in front, the other way round")
Order = Annotated[str, Field(pattern=_ORDER, max_length=64)]


class ViewQuery(Query):
    """A view as it is, once it has come far enough; or as it was."""

    at: AtMoment | None = None
    min_position: Number = 0
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 0.0


class RowsQuery(ViewQuery):
    """A page of documents or rows. `where` is by the text of the parameters, still."""

    where: dict[str, str] = {}
    order: Order | None = None
    after: PageCursor | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = 100


class DifferenceQuery(Query):
    """Two moments; without `to`, the second is now."""

    from_: Annotated[AtMoment, Field(alias="from")]
    to: AtMoment | None = None


def view_query(request: web.Request) -> ViewQuery:
    """Read a query for one document."""
    return validated(ViewQuery, members_of(request))


def rows_query(request: web.Request) -> RowsQuery:
    """Read a query for rows: `where.status=open` asks for those with that status."""
    members = members_of(request)
    where = {
        name.removeprefix(WHERE_PREFIX): members.pop(name) for name in tuple(members) if name.startswith(WHERE_PREFIX)
    }
    if "where" in members:
        raise Invalid("Say where.<field>=<value>, a parameter for each field.")
    return validated(RowsQuery, {**members, "where": where})


def difference_query(request: web.Request) -> DifferenceQuery:
    """Read a query for a difference."""
    return validated(DifferenceQuery, members_of(request))


def key_of(request: web.Request, projection: AnyProjection) -> str:
    """The key that the path names. Raises Invalid."""
    key = request.match_info["key"]
    if by_session(projection):
        return session_named(key)
    if len(key) > MAX_KEY or "\0" in key:
        raise Invalid(f"A key has 1 to {MAX_KEY} characters, and no NUL.")
    return key


def typed(shape: Shape, where: dict[str, str]) -> dict[str, Any]:
    """What is asked for, as its columns hold it. Raises Invalid."""
    found: dict[str, Any] = {}
    for name, said in where.items():
        column = shape.column(name)
        if column is None or column.kind not in _KINDS:
            raise Invalid(f"There is no field {name!r} to search by.")
        try:
            found[name] = _KINDS[column.kind].validate_strings(said)
        except ValidationError:
            raise Invalid(f"where.{name} should be: {column.kind}.") from None
    return found


_KINDS: dict[Kind, TypeAdapter[Any]] = {
    "text": TypeAdapter(Annotated[str, Field(pattern=NO_NUL, max_length=MAX_KEY)]),
    "integer": TypeAdapter(Annotated[int, Field(ge=-(2**63), lt=2**63)]),
    "real": TypeAdapter(Annotated[float, Field(allow_inf_nan=False)]),
    "boolean": TypeAdapter(bool),
    "time": TypeAdapter(Time),
}
