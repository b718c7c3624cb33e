"""Moments in a session's history, as requests name them: a version, or a time. And the port to long reads."""

import re
from datetime import datetime
from typing import Annotated, Literal, Protocol

from aiohttp import web
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from ...domain.timestamps import Time
from ..access.principal import Principal
from ..protocol.queries import Query, members_of, validated

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)
_TIME: TypeAdapter[datetime] = TypeAdapter(Time)


def _moment(said: object) -> object:
    if isinstance(said, str) and _VERSION.fullmatch(said):
        return int(said)
    try:
        return _TIME.validate_python(said)
    except ValidationError:
        raise ValueError("should be a version of the session, or a time such as 2026-01-31T12:00:00Z") from None


AtMoment = Annotated[Annotated[int, Field(ge=0, lt=10**18)] | datetime, BeforeValidator(_moment)]
"""A version of a session, or a time."""


class SessionQuery(Query):
    """A session as it is, or as it was."""

    at: AtMoment | None = None


def session_query(request: web.Request) -> SessionQuery:
    """Read a query for one session."""
    return validated(SessionQuery, members_of(request))


Asked = Literal["session", "view", "difference", "page"]
"""What is asked for: a session or a view at a moment, what changed in one between two, or a large page of a view."""


class LongReads(Protocol):
    """What answers requests that would keep the loop busy for long (`api.reading`)."""

    most_here: int
    """Bytes up to which a page of a view as it is is made by who is asked for it."""

    async def answer(self, asked: Asked, request: web.Request, principal: Principal) -> web.StreamResponse:
        """Answer a request of a principal, who may make it. Raises Overloaded, NotReady, and what is wrong with the
        request itself."""
