"""Answers with a page of events, which are spliced in."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from ..delivery.log_cursor import CURSOR_PATTERN
from ..delivery.resume_point import RESUME_POINT_PATTERN
from .answer import Absent, HttpAnswer, Id, Number, component, components

Events = Annotated[Any, components("Event")]
OneEvent = Annotated[Any, component("Event")]
LogCursor = Annotated[str, StringConstraints(pattern=CURSOR_PATTERN)]
ResumePoint = Annotated[str, StringConstraints(pattern=RESUME_POINT_PATTERN)]


class EventGap(HttpAnswer):
    """Places that were removed from the log, the first and the last of them."""

    from_: Number = Field(alias="from")
    to: Number


class SessionPageAnswer(HttpAnswer):
    """A page of a session's events; `to` is the `after` of the next one, and so is `resume`, which is refused if this
    is another log by then. Where the page was asked for by `before` or
    `last`, `before` is that of the page in front of it, if there is one."""

    events: Events
    session: Id
    to: Number
    resume: ResumePoint
    head: Number
    caught_up: bool
    before: Number | Absent = None
    gap: EventGap | Absent = None


class LogPageAnswer(HttpAnswer):
    """A page of the log's events; `to` and `before` as in a page of a session."""

    events: Events
    to: LogCursor
    head: LogCursor
    caught_up: bool
    before: LogCursor | Absent = None
    gap: EventGap | Absent = None


class EventChainAnswer(HttpAnswer):
    """What led to an event, the nearest first; or what it led to, in order. `complete` unless that was too much to
    follow to its end."""

    session: Id
    event: OneEvent
    events: Events
    complete: bool
