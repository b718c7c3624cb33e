"""Which session a span is of, and who acts in it."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ...domain.audience import RESERVED
from ...domain.ids import NAME_PATTERN, ParticipantId, SessionId
from ...domain.model import TIMEKEEPER
from .genai import operation_of
from .span import Attributes, Span, SpanKey

SESSION = ("gen_ai.conversation.id", "session.id")
AGENT = "gen_ai.agent.name"
PERSON = ("enduser.id", "user.id")
SOMEBODY, AGENT_OF_NO_NAME = "person", "agent"
MOST_ANCESTORS = 64
READ_CHARS = 1_000
"""Of what is no name, so much is looked at: a resource's attributes are read for each of its spans."""


class Placed(NamedTuple):
    """A span of a session: which agent does it, and for which person."""

    span: Span
    session: SessionId
    agent: ParticipantId
    person: ParticipantId


def placed(spans: Iterable[Span]) -> list[Placed]:
    """The spans that say something of generative AI, by their sessions: what the span itself names, or its resource, or
    another span of its trace in this request; or else its trace. An agent without a name is that of the span around it,
    or its service."""
    spans = list(spans)
    by_id = {span.key: span for span in spans}
    of_trace: dict[str, str] = {}
    for span in spans:
        if (named := _first(span.attributes, SESSION)) is not None:
            of_trace.setdefault(span.trace, named)
    found = []
    for span in spans:
        if operation_of(span) is None:
            continue
        named = _first(span.attributes, SESSION) or _first(span.resource, SESSION) or of_trace.get(span.trace)
        session = name_of(named) if named is not None else f"trace-{span.trace}"
        person = _first(span.attributes, PERSON) or _first(span.resource, PERSON) or SOMEBODY
        found.append(Placed(span, session, name_of(_agent(span, by_id)), name_of(person)))
    return sorted(found, key=lambda each: each.session)


def name_of(text: str) -> str:
    """A name of ours: what is none gets hyphens, and a prefix where that would be somebody else."""
    if len(text) <= 128 and re.fullmatch(NAME_PATTERN, text) and text not in (*RESERVED, TIMEKEEPER.id):
        return text
    made = re.sub(r"[^A-Za-z0-9._:@+-]+", "-", text[:READ_CHARS]).strip("-._:@+")[:100] or "unnamed"
    return f"the-{made}" if made in (*RESERVED, TIMEKEEPER.id) else made


def _agent(span: Span, by_id: Mapping[SpanKey, Span]) -> str:
    at: Span | None = span
    for _ in range(MOST_ANCESTORS):  # a parent's parent may be itself, in what is not from an SDK
        if at is None:
            break
        if (named := _first(at.attributes, (AGENT,))) is not None:
            return named
        at = by_id.get((at.trace, at.parent))
    return _first(span.resource, ("service.name",)) or AGENT_OF_NO_NAME


def _first(attributes: Attributes, names: tuple[str, ...]) -> str | None:
    """The first of these that is there; lists and maps name nothing."""
    found = (attributes.get(name) for name in names)
    return next((str(each) for each in found if each and isinstance(each, str | int | float)), None)
