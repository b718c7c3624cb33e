"""Sessions: opened, described, labelled, closed and opened again; or forked from another one.

A session exists from its `session.opened` event, or from its `session.forked`: then the events before that are those of
its origin. A closed session keeps its history and refuses every command but `session.reopen`. Closing ends what is
under way (`consequences`): nobody is present in a closed session, and nothing is open. One that is reopened starts with
its history, its shared state and its fences, and otherwise empty-handed.
"""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import orjson
from pydantic import Field, JsonValue, StringConstraints

from ..errors import Conflict, NoChange, NotFound, TooLarge
from ..ids import SessionId, Version
from ..json.merge_patch import merge
from ..json.patch import same
from ..model import WHOLE, Command, CommandData, Count, Decision, Event, EventData, JsonObject, Reason, decided

SUBJECT = "session"
Title = Annotated[str, StringConstraints(max_length=500)]
LabelName = Annotated[str, StringConstraints(min_length=1, max_length=64)]
LabelValue = Annotated[str, StringConstraints(max_length=256)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=64)]
MAX_LABELS = 64
MAX_METADATA_BYTES = 65_536


class _SessionEvent(EventData):
    def subject(self) -> str:
        return SUBJECT


class SessionOpened(_SessionEvent):
    """A session came to be."""

    type = "session.opened"
    title: Title | None = None
    """What people call it."""
    labels: Labels | None = None
    """For finding and filtering sessions."""
    metadata: dict[str, JsonValue] | None = None
    """The application's own."""


class SessionForked(_SessionEvent):
    """The session goes on from a version of another one, whose events up to there are its own first ones. What was
    open there ends here in the same commit; nobody is present yet."""

    type = "session.forked"
    origin: SessionId
    """The other session."""
    at: Count
    """The last version that both have."""
    title: Title | None = None
    """What people call it."""
    labels: Labels | None = None
    """For finding and filtering sessions."""
    metadata: dict[str, JsonValue] | None = None
    """The application's own."""


class SessionDescribed(_SessionEvent):
    """The title was replaced, or the metadata changed by a merge patch (RFC 7386)."""

    type = "session.described"
    title: Title | None = None
    """The new title; absent when it stays."""
    metadata: dict[str, JsonValue] | None = None
    """A merge patch of the metadata; null removes a member."""


class SessionLabelled(_SessionEvent):
    """Labels were set and removed."""

    type = "session.labelled"
    set: Labels = Field(default_factory=dict)
    """Labels that were set."""
    remove: tuple[LabelName, ...] = ()
    """Labels that were removed, also from `set`."""


class SessionClosed(_SessionEvent):
    """The session ended; nothing more is written to it until it is reopened. What was under way ends in the same
    commit: tasks are cancelled, messages aborted, tool calls abandoned, questions withdrawn, signals expired, and all
    who were present have left."""

    type = "session.closed"
    reason: Reason | None = None
    """For people."""


class SessionReopened(_SessionEvent):
    """The session goes on."""

    type = "session.reopened"
    reason: Reason | None = None
    """For people."""


class _SessionCommand(CommandData):
    concept: ClassVar[str] = "session"


class OpenSession(_SessionCommand):
    """Create the session. Refused with `conflict` when it exists already."""

    do = "session.open"
    revives = True
    title: Title | None = None
    """What people call it."""
    labels: Labels | None = None
    """For finding and filtering sessions."""
    metadata: dict[str, JsonValue] | None = None
    """The application's own."""


class ForkSession(_SessionCommand):
    """Create the session from another one, as that was at a version. Its history is shared, not copied; from there on
    the two live apart. For those who may read the other one; those who may read the fork may then read what it shares,
    as far as its audience goes. The right to audit the fork lifts those audiences only together with that to audit its
    origin, and that one's."""

    do = "session.fork"
    revives = True
    origin: SessionId
    """The other session."""
    at: Annotated[int, Field(ge=1, le=2**53, strict=True), WHOLE] | None = None
    """The last version that both have; absent: its newest."""
    title: Title | None = None
    """What people call the fork; absent: the same."""


class DescribeSession(_SessionCommand):
    """Replace the title, or change the metadata by a merge patch."""

    do = "session.describe"
    title: Title | None = None
    """The new title."""
    metadata: dict[str, JsonValue] | None = None
    """A merge patch of the metadata; null removes a member."""


class LabelSession(_SessionCommand):
    """Set and remove labels."""

    do = "session.label"
    set: Labels = Field(default_factory=dict)
    """Labels to set."""
    remove: Annotated[tuple[LabelName, ...], Field(max_length=64)] = ()
    """Labels to remove, also from `set`."""


class CloseSession(_SessionCommand):
    """End the session, and what is under way in it: tasks that are not over are cancelled, also those that nobody
    holds; messages, tool calls, questions and signals end; all who are present leave."""

    do = "session.close"
    reason: Reason | None = None
    """For people."""


class ReopenSession(_SessionCommand):
    """Open a closed session again."""

    do = "session.reopen"
    revives = True
    reason: Reason | None = None
    """For people."""


class Origin(NamedTuple):
    """What a fork comes from."""

    session: SessionId
    at: Version


class Session(NamedTuple):
    """What is known of the session itself."""

    status: Literal["none", "open", "closed"] = "none"
    title: str | None = None
    labels: dict[str, str] = {}
    metadata: JsonObject = {}
    origin: Origin | None = None


EMPTY = Session()


def decide(session: Session, command: Command) -> Decision:
    """Apply the rules above to one command."""
    match command.data:
        case OpenSession() as data:
            if session.status != "none":
                raise Conflict(f"Session {command.session!r} exists already; use it, or choose another id.")
            _refuse_large(data.metadata)
            return decided(SessionOpened(title=data.title, labels=data.labels, metadata=data.metadata))
        case ForkSession() as data:
            return _fork(session, command, data)
        case DescribeSession() as data:
            return _describe(session, data)
        case LabelSession() as data:
            return _label(session, data)
        case CloseSession() as data:
            return decided(SessionClosed(reason=data.reason))
        case ReopenSession() as data:
            if session.status == "open":
                raise NoChange("The session is open.")
            return decided(SessionReopened(reason=data.reason))
    raise NotImplementedError(command.data.do)


def as_origin(session: Session, id: SessionId, at: Version) -> Session:
    """The session as one that is about to be forked from knows it: not there yet, but where it will come from."""
    return session._replace(status="none", origin=Origin(id, at))


def _fork(session: Session, command: Command, data: ForkSession) -> Decision:
    if session.status != "none":
        raise Conflict(f"Session {command.session!r} exists already; choose another id for the fork.")
    if session.origin is None:
        raise NotFound(f"There is no session {data.origin!r} to fork.")
    origin, at = session.origin
    title = session.title if data.title is None else data.title
    forked = SessionForked(origin=origin, at=at, title=title, labels=session.labels, metadata=session.metadata)
    return decided(forked)


def _describe(session: Session, data: DescribeSession) -> Decision:
    metadata = session.metadata if data.metadata is None else merge(session.metadata, data.metadata)
    title = session.title if data.title is None else data.title
    if title == session.title and same(metadata, session.metadata):
        raise NoChange("Title and metadata are so already.")
    _refuse_large(metadata)
    return decided(SessionDescribed(title=data.title, metadata=data.metadata))


def _refuse_large(metadata: JsonObject | None) -> None:
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise TooLarge(f"A session's metadata has at most {MAX_METADATA_BYTES} bytes; keep more in the shared state.")


def _label(session: Session, data: LabelSession) -> Decision:
    labels = _labelled(session.labels, data.set, data.remove)
    if labels == session.labels:
        raise NoChange("The labels are so already.")
    if len(labels) > MAX_LABELS:
        raise Conflict(f"A session has at most {MAX_LABELS} labels; remove some first.", labels=len(session.labels))
    return decided(SessionLabelled(set=data.set, remove=data.remove))


def evolve(session: Session, event: Event) -> Session:
    """Fold one event."""
    match event.data:
        case SessionOpened() as data:
            return Session("open", data.title, data.labels or {}, data.metadata or {})
        case SessionForked() as data:
            origin = Origin(data.origin, Version(data.at))
            return Session("open", data.title, data.labels or {}, data.metadata or {}, origin)
        case SessionDescribed() as data:
            title = session.title if data.title is None else data.title
            metadata: Any = session.metadata if data.metadata is None else merge(session.metadata, data.metadata)
            return session._replace(title=title, metadata=metadata)
        case SessionLabelled() as data:
            return session._replace(labels=_labelled(session.labels, data.set, data.remove))
        case SessionClosed():
            return session._replace(status="closed")
        case SessionReopened():
            return session._replace(status="open")
    return session


def _labelled(labels: dict[str, str], add: dict[str, str], remove: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, value in {**labels, **add}.items() if name not in remove}
