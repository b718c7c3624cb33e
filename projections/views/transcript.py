"""The view `transcript`: what was said, which tools were called and what people were asked, a row each.

Deltas are passed over: the event that ends a message carries it whole. What an open message has said so far, the
session itself tells.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.approvals import ApprovalAnswered, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessageKind, MessagePosted, MessageStarted
from ...domain.concepts.tools import ToolAbandoned, ToolCalled, ToolReturned
from ...domain.parts import Part
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import TableProjection
from .text import storable

EntryKind = MessageKind | Literal["tool", "approval"]


class TranscriptRow(BaseModel):
    """A message (`message:m1`), a call of a tool (`tool:t1`) or a question to people (`approval:a1`). `since` and
    `until` are the versions in which it began and ended, `began` and `ended` the times."""

    session: str
    entry: str
    since: int
    until: int | None = None
    began: datetime
    ended: datetime | None = None
    actor: str
    audience: tuple[str, ...] | None = None
    kind: EntryKind
    status: Literal[
        "open", "completed", "aborted", "returned", "failed", "abandoned", "answered", "expired", "withdrawn"
    ] = "open"
    task: str | None = None
    reply_to: str | None = None
    parts: tuple[Part, ...] = ()
    reason: str | None = None
    tool: str | None = None
    arguments: JsonValue = None
    result: JsonValue = None
    error: str | None = None
    serves: str | None = None
    """Of a call: the message on whose behalf it happens."""
    question: str | None = None
    options: tuple[str, ...] = ()
    answer: str | None = None
    """Of a question: the option that holds; none if it ended without one."""
    value: JsonValue = None
    """Of a question with a schema: the value that it was answered with."""
    answered_by: str | None = None
    comment: str | None = None
    """What was said with the answer."""


transcript = TableProjection(
    "transcript", TranscriptRow, key_columns=("session", "entry"), version=4, indexes=[("session", "since")]
)


@transcript.shown
def _(entry: TranscriptRow, viewer: Viewer) -> TranscriptRow | None:
    return entry if visible(including(entry.audience, entry.actor), viewer) else None


def _begun(meta: Meta, entry: str, kind: EntryKind, **more: Any) -> TranscriptRow:
    return TranscriptRow(
        session=meta.session,
        entry=entry,
        since=meta.version,
        began=meta.time,
        actor=meta.actor,
        audience=meta.audience,
        kind=kind,
        task=meta.task,
        **more,
    )


def _ended(meta: Meta) -> dict[str, Any]:
    return {"until": meta.version, "ended": meta.time, "audience": meta.audience}


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessagePosted | MessageStarted, meta: Meta) -> None:
    said: dict[str, Any] = {}
    if isinstance(event, MessagePosted):
        said = {"status": "completed", "parts": event.parts, "until": meta.version, "ended": meta.time}
    rows.upsert(_begun(meta, event.subject(), event.kind, reply_to=event.reply_to, **said))


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessageCompleted, meta: Meta) -> None:
    rows.update(meta.session, event.subject(), status="completed", parts=event.parts, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessageAborted, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.subject(), status="aborted", parts=event.parts, reason=why, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolCalled, meta: Meta) -> None:
    called = {"tool": event.tool, "arguments": event.arguments, "serves": event.message}
    rows.upsert(_begun(meta, event.subject(), "tool", **called))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolReturned, meta: Meta) -> None:
    if event.error is None:
        rows.update(meta.session, event.subject(), status="returned", result=event.result, **_ended(meta))
    else:
        rows.update(meta.session, event.subject(), status="failed", error=storable(event.error), **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolAbandoned, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.subject(), status="abandoned", reason=why, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalRequested, meta: Meta) -> None:
    asked = {"question": storable(event.question), "options": event.options}
    rows.upsert(_begun(meta, event.subject(), "approval", **asked))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalAnswered, meta: Meta) -> None:
    comment = None if event.comment is None else storable(event.comment)
    option = None if event.option is None else storable(event.option)
    answer = {"answer": option, "value": event.value, "answered_by": meta.actor, "comment": comment}
    rows.update(meta.session, event.subject(), status="answered", **answer, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalExpired, meta: Meta) -> None:
    answer = None if event.option is None else storable(event.option)
    rows.update(meta.session, event.subject(), status="expired", answer=answer, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalWithdrawn, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.subject(), status="withdrawn", reason=why, **_ended(meta))
