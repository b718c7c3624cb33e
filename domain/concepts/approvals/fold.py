"""What becomes of a question by each event."""

from typing import Any, Literal

from ...ids import ApprovalId
from ...model import Event
from .board import Approval, Approvals
from .events import ApprovalAnswered, ApprovalConfigured, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from .rules import rules_of


def evolve(approvals: Approvals, event: Event) -> Approvals:
    """Fold one event."""
    match event.data:
        case ApprovalRequested() as data:
            about = (data.approval, event.actor, event.task, data.question, data.options, data.of, data.default)
            approval = Approval(*about, data.due, event.version, answer_schema=data.answer_schema, run=data.run)
            how: dict[str, Any] = {"own_words": bool(data.own_words), "questions": data.questions or ()}
            approval = approval._replace(audience=event.audience, **how)
            known, open = approvals.known.set(approval.id, approval), approvals.open.set(approval.id, None)
            work = approvals.work.begun(approval.id, approval.requester, approval.task)
            return approvals._replace(known=known, open=open, work=work)
        case ApprovalAnswered() as data:
            holds = {"option": data.option, "value": data.value, "words": data.words, "answers": data.answers or {}}
            return _closed(approvals, data.approval, "answered", answered=event.version, **holds)
        case ApprovalExpired() as data:
            return _closed(approvals, data.approval, "expired", option=data.option)
        case ApprovalWithdrawn() as data:
            return _closed(approvals, data.approval, "withdrawn")
        case ApprovalConfigured() as data:
            return approvals._replace(rules=rules_of(data))
    return approvals


def _closed(
    approvals: Approvals, id: ApprovalId, status: Literal["answered", "expired", "withdrawn"], **holds: Any
) -> Approvals:
    closed = approvals.known[id]._replace(status=status, answer_schema=None, questions=(), **holds)
    open = approvals.open.delete(id) if id in approvals.open else approvals.open
    work = approvals.work.ended(id, closed.requester, closed.task)
    return approvals._replace(known=approvals.known.set(id, closed), open=open, work=work)
