"""The view `timeline`: what each participant did when, as spans, a row each.

A span of presence lasts until the next one of the same participant; that row's handler knows only where it begins, and
`closed` puts the end where the next one stands. From far away the view `activity` is drawn instead.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from ...domain.audience import Viewer, including, visible
from ...domain.concepts.approvals import ApprovalAnswered, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from ...domain.concepts.messages import MessageAborted, MessageCompleted, MessagePosted, MessageStarted
from ...domain.concepts.presence import (
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceRecovered,
    PresenceStalled,
    PresenceStatus,
)
from ...domain.concepts.signals import SignalExpired, SignalHonoured, SignalRaised, SignalRefused, SignalWithdrawn
from ...domain.concepts.tasks import TaskCancelled, TaskClaimed, TaskCompleted, TaskFailed, TaskReleased
from ...domain.concepts.tools import ToolAbandoned, ToolCalled, ToolReturned
from ..authoring.meta import Meta
from ..authoring.rows import Rows
from ..authoring.table import TableProjection
from .text import storable

Lane = Literal["presence", "message", "tool", "task", "approval", "signal"]
AWAY = frozenset({"left", "lost"})
"""Labels of presence that are no spans: they only end the one before."""


class Span(BaseModel):
    """Something that lasted from `began` (in version `since`) to `ended` (in version `until`), or lasts still. `label`
    says what, `outcome` how it ended."""

    session: str
    span: str
    actor: str
    lane: Lane
    label: str
    detail: str | None = None
    since: int
    began: datetime
    until: int | None = None
    ended: datetime | None = None
    outcome: str | None = None
    task: str | None = None
    audience: tuple[str, ...] | None = None


Transition = PresenceJoined | PresenceStatus | PresenceStalled | PresenceRecovered | PresenceLost | PresenceLeft
timeline = TableProjection("timeline", Span, key_columns=("session", "span"), version=2, indexes=[("session", "began")])


@timeline.shown
def _(span: Span, viewer: Viewer) -> Span | None:
    return span if visible(including(span.audience, span.actor), viewer) else None


def closed(spans: Iterable[Span]) -> list[Span]:
    """The spans in the order in which they began, each of presence with its end."""
    found: list[Span] = []
    latest: dict[str, int] = {}
    for span in sorted(spans, key=lambda each: each.since):
        if span.lane != "presence":
            found.append(span)
            continue
        before = latest.pop(span.actor, None)
        if before is not None:
            found[before] = found[before].model_copy(update={"until": span.since, "ended": span.began})
        if span.label not in AWAY:
            latest[span.actor] = len(found)
            found.append(span)
    return found


def _span(meta: Meta, span: str, lane: Lane, label: str, *, actor: str = "", **more: Any) -> Span:
    return Span(
        session=meta.session,
        span=span,
        actor=actor or meta.actor,
        lane=lane,
        label=label,
        since=meta.version,
        began=meta.time,
        task=meta.task,
        **{"audience": meta.audience, **more},
    )


def _ended(meta: Meta, outcome: str) -> dict[str, Any]:
    return {"until": meta.version, "ended": meta.time, "outcome": outcome, "audience": meta.audience}


@timeline.on
def _(rows: Rows[Span], event: Transition, meta: Meta) -> None:
    if isinstance(event, PresenceLeft | PresenceLost) and event.others:
        return  # one run of it is gone, and it is here all the same
    label, detail = _said(event)
    said: dict[str, Any] = {"actor": event.participant, "detail": detail and storable(detail)}
    rows.upsert(_span(meta, f"presence:{meta.version}", "presence", label, **said))


def _said(event: Transition) -> tuple[str, str | None]:
    match event:
        case PresenceJoined():
            return "idle", None
        case PresenceStatus():
            return event.status, event.activity
        case _:
            return event.type.partition(".")[2], event.reason


@timeline.on
def _(rows: Rows[Span], event: MessagePosted | MessageStarted, meta: Meta) -> None:
    ended = _ended(meta, "completed") if isinstance(event, MessagePosted) else {}
    rows.upsert(_span(meta, event.subject(), "message", event.kind, **ended))


@timeline.on
def _(rows: Rows[Span], event: MessageCompleted | MessageAborted, meta: Meta) -> None:
    outcome = "completed" if isinstance(event, MessageCompleted) else "aborted"
    rows.update(meta.session, event.subject(), **_ended(meta, outcome))


@timeline.on
def _(rows: Rows[Span], event: ToolCalled, meta: Meta) -> None:
    rows.upsert(_span(meta, event.subject(), "tool", event.tool))


@timeline.on
def _(rows: Rows[Span], event: ToolReturned, meta: Meta) -> None:
    rows.update(meta.session, event.subject(), **_ended(meta, "returned" if event.error is None else "failed"))


@timeline.on
def _(rows: Rows[Span], event: ToolAbandoned, meta: Meta) -> None:
    rows.update(meta.session, event.subject(), **_ended(meta, "abandoned"))


@timeline.on
def _(rows: Rows[Span], event: TaskClaimed, meta: Meta) -> None:
    rows.upsert(_span(meta, f"{event.subject()}:{event.attempt}", "task", event.task))


@timeline.on
def _(rows: Rows[Span], event: TaskCompleted | TaskFailed | TaskReleased | TaskCancelled, meta: Meta) -> None:
    if event.attempt is not None:
        outcome = meta.type.partition(".")[2]
        rows.update(meta.session, f"{event.subject()}:{event.attempt}", **_ended(meta, outcome))


@timeline.on
def _(rows: Rows[Span], event: ApprovalRequested, meta: Meta) -> None:
    rows.upsert(_span(meta, event.subject(), "approval", event.approval, detail=storable(event.question)))


@timeline.on
def _(rows: Rows[Span], event: ApprovalAnswered | ApprovalExpired | ApprovalWithdrawn, meta: Meta) -> None:
    rows.update(meta.session, event.subject(), **_ended(meta, meta.type.partition(".")[2]))


@timeline.on
def _(rows: Rows[Span], event: SignalRaised, meta: Meta) -> None:
    rows.upsert(_span(meta, event.subject(), "signal", event.kind, detail=event.target))


@timeline.on
def _(rows: Rows[Span], event: SignalHonoured | SignalRefused | SignalWithdrawn | SignalExpired, meta: Meta) -> None:
    rows.update(meta.session, event.subject(), **_ended(meta, meta.type.partition(".")[2]))
