"""Approvals: answered once, by what was to be chosen from."""

from ..concepts.approvals import ApprovalAnswered, ApprovalExpired, ApprovalRequested, ApprovalWithdrawn
from ..errors import Refused
from ..json.answer_schema import refuse_mismatch
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
    if isinstance(data, ApprovalAnswered) and data.option not in (approval.options or (None,)):
        return f"has no option of approval {approval.id!r}"
    if isinstance(data, ApprovalAnswered) and data.value is not None and not _matches(approval.answer_schema, data):
        return f"has a value that approval {approval.id!r} does not take"
    return None


def _matches(schema: object, data: ApprovalAnswered) -> bool:
    if not isinstance(schema, dict):
        return False
    try:
        refuse_mismatch(schema, data.value)
    except Refused:
        return False
    return True
