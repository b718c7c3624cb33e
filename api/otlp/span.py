"""A span, as either encoding has it."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from ...domain.errors import TooLarge

MAX_SPANS = 10_000
"""Spans of a request …"""
MAX_EVENTS = 100_000
"""… and events of all of them: two bytes may be one, and hold two hundred in memory."""
MAX_ATTRIBUTE_DEPTH = 32
"""Levels of lists and maps in an attribute."""
ERROR = 2
"""The code of a span's status that says that it failed."""
CLIENT = 3
"""The kind of a span that waits for somebody else."""
Attributes = dict[str, Any]
SpanKey = tuple[str, str]
"""A trace's id and a span's: that of a span alone may be another's in another trace."""


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
    def key(self) -> SpanKey:
        """Which span it is."""
        return self.trace, self.id

    @property
    def failed(self) -> bool:
        """Whether it says so."""
        return self.code == ERROR


class SpanList(NamedTuple):
    """The spans of a request, and how many of it cannot be read; `fault` says of the first of these why."""

    spans: list[Span]
    malformed: int
    fault: str


def refuse_many_events(number: int) -> None:
    """Raise TooLarge when a request has so many that it is not read on."""
    if number > MAX_EVENTS:
        raise TooLarge(f"The spans of a request have at most {MAX_EVENTS:,} events.", limit=MAX_EVENTS)


class SpanReading:
    """Spans as they are read."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._malformed = self._events = 0
        self._fault = ""

    def add(self, span: Span) -> None:
        """One more; what OTLP does not allow counts as malformed. Raises TooLarge when they are too many."""
        if len(self._spans) + self._malformed >= MAX_SPANS:
            raise TooLarge(f"A request has at most {MAX_SPANS:,} spans.", limit=MAX_SPANS)
        self._events += len(span.events)
        refuse_many_events(self._events)
        try:
            self._spans.append(checked(span))
        except ValueError as error:
            self._malformed += 1
            self._fault = self._fault or str(error)

    def read(self) -> SpanList:
        """All of them."""
        return SpanList(self._spans, self._malformed, self._fault)


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
