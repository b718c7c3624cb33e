"""Query parameters, validated. An unknown one is refused, like anything else that would pass silently."""

from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ...domain.errors import Invalid
from ...domain.ids import Name, SessionId
from ...domain.wording.patterns import NO_NUL
from ...domain.wording.wrong_input import explain
from ..delivery.event_filter import EventFilter, Reading
from ..delivery.log_cursor import read_cursor
from ..delivery.resume_point import read_resume_point
from .client_frames import Types

MAX_PAGE_ITEMS = 1_000
MAX_WAIT_S = 30.0
IDENTITY_PARAMETERS = {"token", "participant", "kind"}
Q = TypeVar("Q", bound=BaseModel)
_SESSION: TypeAdapter[SessionId] = TypeAdapter(SessionId)


class Query(BaseModel):
    """Parameters; an unknown one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventsQuery(Query):
    """What page of events, or from where a stream."""

    after: Annotated[str, Field(max_length=200)] = "0"
    before: (
        Annotated[
            str, Field(max_length=200, description="The page in front of this place; goes before `last` and `after`")
        ]
        | None
    ) = None
    last: Annotated[int, Field(ge=0, le=2**53, description="From so many before the end on")] | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = 100
    types: Types = ()
    reading: Reading = "raw"
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT_S, allow_inf_nan=False)] = 0.0

    def filter(self, sessions: tuple[str, ...]) -> EventFilter:
        """Which events the query asks for."""
        return EventFilter(self.reading, self.types, sessions)


class SessionsQuery(Query):
    """What page of sessions."""

    after: Annotated[str, Field(max_length=128, pattern=NO_NUL)] = ""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_ITEMS)] = 100
    prefix: Name | None = None


def events_query(request: web.Request) -> EventsQuery:
    """Read an events query; `types` is a list separated by commas."""
    members = members_of(request)
    if "types" in members:
        members["types"] = tuple(str(members["types"]).split(","))
    query = validated(EventsQuery, members)
    if query.last and "limit" not in members:
        query = query.model_copy(update={"limit": min(query.last, MAX_PAGE_ITEMS)})
    return query


def events_end(query: EventsQuery, session: SessionId | None, epoch: str) -> int | str | None:
    """The place before which the request asks for a page, in a session or with None in the log of this epoch; this goes
    before any other place. Raises BadCursor."""
    if query.before is None:
        return None
    return _place(query.before, session, epoch)


def events_start(request: web.Request, query: EventsQuery, session: SessionId | None, epoch: str) -> int | str:
    """Where the request asks to begin, in a session or with None in the log of this epoch; a negative number is so many
    events before the end. `Last-Event-ID` goes before `last`, and this before `after`, which must be a place all the
    same. Raises BadCursor and Invalid."""
    last = request.headers.get("Last-Event-ID")
    given = (query, validated(EventsQuery, {"after": last})) if last else (query,)
    places = [_place(each.after, session, epoch) for each in given]
    return places[-1] if last or query.last is None else -query.last or "end"


def _place(after: str, session: SessionId | None, epoch: str) -> int | str:
    return read_cursor(after, epoch) if session is None else read_resume_point(after, epoch)


def sessions_query(request: web.Request) -> SessionsQuery:
    """Read a sessions query."""
    return validated(SessionsQuery, members_of(request))


def no_query(request: web.Request) -> None:
    """Refuse parameters where there are none."""
    validated(Query, members_of(request))


def session_of(request: web.Request) -> SessionId:
    """The session that the path names."""
    return session_named(request.match_info["session"])


def session_named(id: str) -> SessionId:
    """A session's id, checked. Raises Invalid."""
    try:
        return _SESSION.validate_python(id)
    except ValidationError:
        raise Invalid("A session's id is 1 to 128 of A-Z a-z 0-9 . _ : @ + -") from None


def members_of(request: web.Request) -> dict[str, object]:
    """The parameters as they came, but for those that identify the client. Raises Invalid for one given twice."""
    twice = [name for name in request.query if len(request.query.getall(name)) > 1]
    if twice:
        raise Invalid(f"The parameter {twice[0]!r} is given twice.")
    return {name: value for name, value in request.query.items() if name not in IDENTITY_PARAMETERS}


def validated(model: type[Q], members: dict[str, object]) -> Q:
    """The parameters by their model. Raises Invalid."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise Invalid(f"The query cannot be read: {explain(error, model)}.") from None
