"""The view `transcript`: what was said, which tools were called and what people were asked, a row each.

Deltas are passed over: the event that ends a message or a call carries it whole. What an open message has said, and an
open call has put out so far, the session itself tells.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.approvals import (
    Answer,
    ApprovalAnswered,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalWithdrawn,
    Question,
)
from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessageKind, MessagePosted, MessageStarted
from ...domain.concepts.tools import ToolAbandoned, ToolCalled, ToolReturned
from ...domain.parts import Part
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import Lifetime, TableProjection
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
    output: str | None = None
    """Of a call that has ended: what was streamed of its output."""
    result: JsonValue = None
    error: str | None = None
    """Of a call that failed; it may have a result besides."""
    serves: str | None = None
    """Of a call: the message on whose behalf it happens."""
    question: str | None = None
    options: tuple[str, ...] = ()
    own_words: bool = False
    """Of a question: whether it can be answered in words of one's own."""
    questions: tuple[Question, ...] = ()
    """Of several questions: each of them."""
    answer: str | None = None
    """Of a question: the option that holds; none if it ended without one."""
    words: str | None = None
    """Of a question: what was answered in words of one's own."""
    value: JsonValue = None
    """Of a question with a schema: the value that it was answered with."""
    answers: dict[str, Answer] = {}
    """Of several questions: the answer to each, by its name."""
    answered_by: str | None = None
    comment: str | None = None
    """What was said with the answer."""
    usage: dict[str, JsonValue] | None = None
    """Of a message or a call: what it took, as reported."""
    metadata: dict[str, JsonValue] | None = None
    """The application's own, from when it began."""
    end_metadata: dict[str, JsonValue] | None = None
    """The application's own, from when it ended."""


transcript = TableProjection(
    "transcript",
    TranscriptRow,
    key_columns=("session", "entry"),
    version=5,
    indexes=[("session", "since")],
    lifetime=Lifetime(about="entry", since="since", until="until"),
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


def _reported(event: MessageCompleted | MessageAborted | ToolReturned) -> dict[str, Any]:
    return {"usage": event.usage, "end_metadata": event.metadata}


def _output(event: ToolReturned | ToolAbandoned) -> dict[str, Any]:
    return {"output": None if event.output is None else storable(event.output)}


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessagePosted | MessageStarted, meta: Meta) -> None:
    said: dict[str, Any] = {"reply_to": event.reply_to, "metadata": event.metadata}
    if isinstance(event, MessagePosted):
        said |= {"status": "completed", "parts": event.parts, "usage": event.usage}
        said |= {"until": meta.version, "ended": meta.time}
    rows.upsert(_begun(meta, event.subject(), event.kind, **said))


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessageCompleted, meta: Meta) -> None:
    rows.update(
        meta.session, event.subject(), status="completed", parts=event.parts, **_reported(event), **_ended(meta)
    )


@transcript.on
def _(rows: Rows[TranscriptRow], event: MessageAborted, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    ended = {**_reported(event), **_ended(meta)}
    rows.update(meta.session, event.subject(), status="aborted", parts=event.parts, reason=why, **ended)


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolCalled, meta: Meta) -> None:
    called = {
        "tool": event.tool,
        "arguments": event.arguments,
        "serves": event.message,
        "metadata": event.metadata,
    }
    rows.upsert(_begun(meta, event.subject(), "tool", **called))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolReturned, meta: Meta) -> None:
    error = None if event.error is None else storable(event.error)
    came = {"result": event.result, "error": error, **_output(event), **_reported(event), **_ended(meta)}
    rows.update(meta.session, event.subject(), status="returned" if error is None else "failed", **came)


@transcript.on
def _(rows: Rows[TranscriptRow], event: ToolAbandoned, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.subject(), status="abandoned", reason=why, **_output(event), **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalRequested, meta: Meta) -> None:
    asked = {
        "question": storable(event.question),
        "options": event.options,
        "own_words": bool(event.own_words),
        "questions": event.questions or (),
    }
    rows.upsert(_begun(meta, event.subject(), "approval", **asked))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalAnswered, meta: Meta) -> None:
    comment = None if event.comment is None else storable(event.comment)
    option = None if event.option is None else storable(event.option)
    words = None if event.words is None else storable(event.words)
    answer = {
        "answer": option,
        "words": words,
        "value": event.value,
        "answers": event.answers or {},
        "answered_by": meta.actor,
        "comment": comment,
    }
    rows.update(meta.session, event.subject(), status="answered", **answer, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalExpired, meta: Meta) -> None:
    answer = None if event.option is None else storable(event.option)
    rows.update(meta.session, event.subject(), status="expired", answer=answer, **_ended(meta))


@transcript.on
def _(rows: Rows[TranscriptRow], event: ApprovalWithdrawn, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.subject(), status="withdrawn", reason=why, **_ended(meta))
