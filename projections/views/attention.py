"""The view `attention`: what waits for somebody. Signals that are not answered, approvals that are not given, who is
fenced, and tasks that are blocked."""

from datetime import datetime

from immutables import Map
from pydantic import BaseModel, JsonValue

from ...domain.audience import Viewer, visible
from ...domain.concepts import approvals, signals
from ...domain.concepts.approvals import (
    ApprovalAnswered,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalWithdrawn,
    Question,
)
from ...domain.concepts.signals import (
    Signal,
    SignalAddressed,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalKind,
    SignalRaised,
    SignalRefused,
    Signals,
    SignalWithdrawn,
)
from ...domain.concepts.tasks import TaskBlocked, TaskCancelled, TaskFailed, TaskReleased
from ...domain.model import TIMEKEEPER
from ..authoring.document import DocProjection
from ..authoring.meta import Meta


class OpenSignal(BaseModel):
    """A signal that somebody has yet to answer; `waiting` says who, and whether they have got it."""

    id: str
    kind: SignalKind
    target: str
    raiser: str
    body: JsonValue
    to: str | None
    due: datetime | None
    addressees: tuple[str, ...]
    waiting: dict[str, bool]
    since: int
    audience: tuple[str, ...] | None = None


class OpenApproval(BaseModel):
    """A question that nobody has answered."""

    id: str
    requester: str
    task: str | None
    question: str
    options: tuple[str, ...]
    own_words: bool = False
    answer_schema: dict[str, JsonValue] | None
    questions: tuple[Question, ...] = ()
    of: tuple[str, ...] | None
    default: str | None
    due: datetime | None
    since: int
    audience: tuple[str, ...] | None = None


class Attention(BaseModel):
    """What waits, by id."""

    signals: dict[str, OpenSignal] = {}
    approvals: dict[str, OpenApproval] = {}
    fenced: dict[str, str] = {}
    """Agents that can do nothing more before they have honoured a signal or begun a new run, and which signal."""
    blocked: dict[str, str] = {}
    """Tasks that cannot be claimed, and what they need that has failed or was cancelled."""


attention = DocProjection("attention", Attention, version=5)


@attention.shown
def _(doc: Attention, viewer: Viewer) -> Attention:
    signals = {id: each for id, each in doc.signals.items() if visible(each.audience, viewer)}
    approvals = {id: each for id, each in doc.approvals.items() if visible(each.audience, viewer)}
    return Attention(signals=signals, approvals=approvals, fenced=doc.fenced)


@attention.on
def _(
    doc: Attention,
    event: SignalRaised
    | SignalDelivered
    | SignalAddressed
    | SignalHonoured
    | SignalRefused
    | SignalWithdrawn
    | SignalExpired,
    meta: Meta,
) -> None:
    id, known = event.signal, doc.signals.pop(event.signal, None)
    if known is None and not isinstance(event, SignalRaised):
        _answered_late(doc, event.signal, meta)
        return
    before = Signals() if known is None else Signals(Map({id: _signal(known)}))
    after = signals.evolve(before, meta.event(event))
    doc.fenced |= {who: fence.signal for who, fence in after.fenced.items() if who != TIMEKEEPER.id}
    now = after.known[id]
    if now.status == "open":
        doc.signals[id] = OpenSignal.model_validate({**now._asdict(), "waiting": dict(now.waiting)})


@attention.on
def _(
    doc: Attention, event: ApprovalRequested | ApprovalAnswered | ApprovalExpired | ApprovalWithdrawn, meta: Meta
) -> None:
    doc.approvals.pop(event.approval, None)
    if isinstance(event, ApprovalRequested):
        (asked,) = approvals.evolve(approvals.EMPTY, meta.event(event)).known.values()
        doc.approvals[asked.id] = OpenApproval.model_validate(asked._asdict())


@attention.on
def _(doc: Attention, event: TaskBlocked | TaskReleased | TaskCancelled | TaskFailed) -> None:
    if isinstance(event, TaskBlocked):
        doc.blocked.setdefault(event.task, event.need)
    elif isinstance(event, TaskReleased):
        if event.needs is not None:
            doc.blocked.pop(event.task, None)
    elif not getattr(event, "retryable", False):
        doc.blocked.pop(event.task, None)


def _answered_late(doc: Attention, signal: str, meta: Meta) -> None:
    """An agent that honours a signal after its grace is no longer fenced."""
    if meta.type != SignalExpired.type and doc.fenced.get(meta.actor) == signal:
        del doc.fenced[meta.actor]


def _signal(known: OpenSignal) -> Signal:
    members = {name: getattr(known, name) for name in OpenSignal.model_fields}
    return Signal(**{**members, "waiting": Map(known.waiting)})
