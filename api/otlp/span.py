"""A span, as either encoding has it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

MAX_ATTRIBUTE_DEPTH = 32
"""Levels of lists and maps in an attribute."""
ERROR = 2
"""The code of a span's status that says that it failed."""
CLIENT = 3
"""The kind of a span that waits for somebody else."""
Attributes = dict[str, Any]


class SpanEvent(NamedTuple):
    """Something that happened within a span; `time` is in nanoseconds since 1970."""

    name: str
    time: int
    attributes: Attributes


class Span(NamedTuple):
    """Ids are in hexadecimal digits, times in nanoseconds since 1970. `resource` are the attributes of what made it."""

    trace: str
    id: str
    parent: str
    name: str
    kind: int
    start: int
    end: int
    attributes: Attributes
    events: tuple[SpanEvent, ...]
    code: int
    message: str
    resource: Attributes

    @property
    def failed(self) -> bool:
        """Whether it says so."""
        return self.code == ERROR


class SpanList(NamedTuple):
    """The spans of a request, and how many of it cannot be read; `fault` says of the first of these why."""

    spans: list[Span]
    malformed: int
    fault: str


def moment(nanoseconds: int) -> datetime:
    """The time, to a microsecond. Raises ValueError for one that no calendar has."""
    try:
        return datetime.fromtimestamp(nanoseconds // 1_000 / 1_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError("a time is in a year that no calendar has") from None


def checked(span: Span) -> Span:
    """Raises ValueError for a span that OTLP does not allow."""
    if len(span.trace) != 32 or not span.trace.strip("0"):
        raise ValueError("a trace's id has 16 bytes, not all of them zero")
    if len(span.id) != 16 or not span.id.strip("0"):
        raise ValueError("a span's id has 8 bytes, not all of them zero")
    moment(span.start)
    moment(span.end)
    return span if span.end >= span.start else span._replace(end=span.start)
