"""What is in the addresses of all protocols: the agent, and from where a stream goes on."""

from typing import Annotated

from aiohttp import web
from pydantic import Field, TypeAdapter, ValidationError

from ...domain.errors import Invalid
from ...domain.ids import Name, ParticipantId
from ..protocol.queries import Query, members_of, validated

ANY_AGENT = "default"
"""What an agent is called where any may serve the run."""
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class AttachQuery(Query):
    """From where a stream goes on."""

    after: Annotated[str, Field(max_length=300, description="The id of the last event; absent: from the start")] = ""


def agent_of(request: web.Request) -> ParticipantId | None:
    """The agent that the path names; None for any. Raises Invalid."""
    return agent_named(request.match_info["agent"])


def agent_named(named: str) -> ParticipantId | None:
    """The agent that is to serve a run; None for any. Raises Invalid."""
    try:
        return None if named == ANY_AGENT else _NAME.validate_python(named)
    except ValidationError:
        raise Invalid("An agent's id is 1 to 128 of A-Z a-z 0-9 . _ : @ + -") from None


def last_event_id(request: web.Request) -> str:
    """The id of the last event that a client has; empty if it begins."""
    return request.headers.get("Last-Event-ID") or validated(AttachQuery, members_of(request)).after
