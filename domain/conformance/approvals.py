"""Approvals: answered once, by what was to be chosen from."""

from ..concepts.approvals.board import Approval
from ..concepts.approvals.events import ApprovalAnswered, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from ..concepts.approvals.rules import refuse_wrong_answer
from ..errors import Refused
from ..model import Event
from ..state import State


def check_approval(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data, known = event.data, state.approvals.known
    if isinstance(data, ApprovalRequested):
        return f"names approval {data.approval!r}, which there is already" if data.approval in known else None
    if not isinstance(data, ApprovalAnswered | ApprovalExpired | ApprovalWithdrawn):
        return None
    approval = known.get(data.approval)
    if approval is None:
        return f"names approval {data.approval!r}, which was not requested"
    if approval.status != "open":
        return f"ends approval {approval.id!r}, which is {approval.status}"
    if isinstance(data, ApprovalExpired) and data.option != approval.default:
        return f"has another option than the default of approval {approval.id!r}"
    return _wrong(approval, data) if isinstance(data, ApprovalAnswered) else None


def _wrong(approval: Approval, data: ApprovalAnswered) -> str | None:
    try:
        refuse_wrong_answer(approval, data)
    except Refused as refusal:
        return f"does not answer the question: {refusal.detail.rstrip('.')}"
    return None
