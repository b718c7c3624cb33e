"""The view `sessions`: a line for each session, for lists and searches.

What is streamed does not touch it: a session has `changed` when something else than a delta comes.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from ...domain.concepts.lifecycle import (
    Session,
    SessionClosed,
    SessionDescribed,
    SessionForked,
    SessionLabelled,
    SessionOpened,
    SessionReopened,
    evolve,
)
from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessageDelta, MessagePosted
from ...domain.concepts.presence import PresenceJoined, PresenceLeft, PresenceLost
from ...domain.concepts.tools import ToolOutput
from ...domain.model import EventData, Kind
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class Member(BaseModel):
    """One who takes part, or took part."""

    kind: Kind
    name: str | None = None
    present: bool = True


class Overview(BaseModel):
    """A session at a glance. `version`, `changed` and `messages` count what everyone may see."""

    session: str = ""
    status: Literal["none", "open", "closed"] = "none"
    title: str | None = None
    labels: dict[str, str] = {}
    participants: dict[str, Member] = {}
    messages: int = 0
    opened: datetime | None = None
    changed: datetime | None = None
    version: int = 0


sessions = DocProjection("sessions", Overview, indexes=("status", "opened", "changed"))
sessions.handlers.pass_over(MessageDelta, ToolOutput)


@sessions.on
def _(doc: Overview, event: EventData, meta: Meta) -> None:
    doc.session, doc.changed, doc.version = meta.session, meta.time, meta.version


@sessions.on
def _(
    doc: Overview,
    event: SessionOpened | SessionForked | SessionDescribed | SessionLabelled | SessionClosed | SessionReopened,
    meta: Meta,
) -> None:
    now = evolve(Session(doc.status, doc.title, doc.labels), meta.event(event))
    doc.status, doc.title, doc.labels = now.status, now.title, now.labels
    doc.opened = doc.opened or meta.time


@sessions.on
def _(doc: Overview, event: PresenceJoined) -> None:
    doc.participants[event.participant] = Member(kind=event.kind, name=event.name)


@sessions.on
def _(doc: Overview, event: PresenceLeft | PresenceLost) -> None:
    if not event.others:
        doc.participants[event.participant].present = False


@sessions.on
def _(doc: Overview, event: MessagePosted | MessageCompleted | MessageAborted) -> None:
    doc.messages += 1
