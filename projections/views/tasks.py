"""The view `tasks`: the board of a session, a row for each task."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, JsonValue

from ...domain.audience import Viewer, visible
from ...domain.concepts.tasks import (
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReleased,
)
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import TableProjection
from .text import storable


class TaskRow(BaseModel):
    """A task as it stands. `owner` holds it now, `worker` was the last to."""

    session: str
    task: str
    title: str
    status: Literal["open", "claimed", "completed", "failed", "cancelled"] = "open"
    owner: str | None = None
    worker: str | None = None
    run: str | None = None
    """Which run of the owner holds it, where that has a name."""
    attempt: int = 0
    """How often it was claimed."""
    max_attempts: int | None = None
    """How many attempts may end without a result; absent: any number."""
    priority: int = 0
    """The higher, the sooner it is claimed."""
    deadline: datetime | None = None
    """When it fails if it is not finished."""
    blocked_by: str | None = None
    """What it needs, and has failed or was cancelled."""
    last_error: str | None = None
    """Why the last attempt that came to nothing ended."""
    fenced: int = 0
    """The last claim whose holder went on after it was over, and was refused."""
    assignee: str | None = None
    """Who alone may claim it."""
    creator: str
    parent: str | None = None
    needs: tuple[str, ...] = ()
    input: JsonValue = None
    output: JsonValue = None
    note: str | None = None
    """What its holder said of it last."""
    share: float | None = None
    """How much of it is done, from 0 to 1."""
    reason: str | None = None
    """Why it failed, was released or was cancelled."""
    since: int
    """The version that created it."""
    created: datetime
    changed: datetime
    audience: tuple[str, ...] | None = None
    """Who may see it; absent: everyone."""
    metadata: dict[str, JsonValue] | None = None
    """The application's own, from when it was created."""
    end_metadata: dict[str, JsonValue] | None = None
    """The application's own, from when its last attempt ended."""


tasks = TableProjection(
    "tasks",
    TaskRow,
    key_columns=("session", "task"),
    version=3,
    indexes=[("session", "since"), ("session", "status"), ("owner",)],
)


@tasks.shown
def _(row: TaskRow, viewer: Viewer) -> TaskRow | None:
    return row if visible(row.audience, viewer) else None


@tasks.on
def _(rows: Rows[TaskRow], event: TaskCreated, meta: Meta) -> None:
    rows.upsert(
        TaskRow(
            session=meta.session,
            task=event.task,
            title=storable(event.title),
            assignee=event.assignee,
            creator=meta.actor,
            parent=event.parent,
            needs=event.needs,
            max_attempts=event.max_attempts,
            priority=event.priority,
            deadline=event.deadline,
            input=event.input,
            since=meta.version,
            created=meta.time,
            changed=meta.time,
            audience=meta.audience,
            metadata=event.metadata,
        )
    )


@tasks.on
def _(rows: Rows[TaskRow], event: TaskClaimed, meta: Meta) -> None:
    held = {"owner": meta.actor, "worker": meta.actor, "run": event.run, "attempt": event.attempt}
    rows.update(meta.session, event.task, status="claimed", changed=meta.time, share=None, reason=None, **held)


@tasks.on
def _(rows: Rows[TaskRow], event: TaskProgressed, meta: Meta) -> None:
    told: dict[str, Any] = {} if event.share is None else {"share": event.share}
    if event.note is not None:
        told["note"] = storable(event.note)
    rows.update(meta.session, event.task, changed=meta.time, **told)


@tasks.on
def _(rows: Rows[TaskRow], event: TaskCompleted, meta: Meta) -> None:
    rows.update(meta.session, event.task, output=event.output, last_error=None, **_ended(event, meta, "completed"))


@tasks.on
def _(rows: Rows[TaskRow], event: TaskFailed, meta: Meta) -> None:
    error, over = storable(event.error), {} if event.retryable else {"blocked_by": None}
    status = "open" if event.retryable else "failed"
    rows.update(meta.session, event.task, reason=error, last_error=error, **over, **_ended(event, meta, status))


@tasks.on
def _(rows: Rows[TaskRow], event: TaskReleased, meta: Meta) -> None:
    given: dict[str, Any] = {} if event.input is None else {"input": event.input}
    why = storable(event.reason or event.why)
    if event.attempt is not None and event.why != "rerouted":
        given["last_error"] = why
    if event.needs is not None:
        given |= {"needs": event.needs, "blocked_by": None}
    rows.update(meta.session, event.task, assignee=event.assignee, reason=why, **given, **_ended(event, meta, "open"))


@tasks.on
def _(rows: Rows[TaskRow], event: TaskCancelled, meta: Meta) -> None:
    why = None if event.reason is None else storable(event.reason)
    rows.update(meta.session, event.task, reason=why, blocked_by=None, **_let_go(meta, "cancelled"))


@tasks.on
def _(rows: Rows[TaskRow], event: TaskBlocked, meta: Meta) -> None:
    rows.update(meta.session, event.task, blocked_by=event.need, changed=meta.time)


@tasks.on
def _(rows: Rows[TaskRow], event: TaskFenced, meta: Meta) -> None:
    rows.update(meta.session, event.task, fenced=event.attempt)


def _ended(event: TaskCompleted | TaskFailed | TaskReleased, meta: Meta, status: str) -> dict[str, Any]:
    return {"end_metadata": event.metadata, **_let_go(meta, status)}


def _let_go(meta: Meta, status: str) -> dict[str, Any]:
    return {"status": status, "owner": None, "run": None, "changed": meta.time}
