"""Approvals: a question to people, answered once.

    requested → answered | expired | withdrawn

One of those asked answers; who comes second gets the first answer. At the deadline the default holds, if there is one.

An agent does not answer its own question; nor does it let its default stand in for an answer before people had the
time to give one: unless the session says so (`approval.configure`).

An answer is one of the `options`, or a `value` that matches the JSON Schema which was asked with, or both: to approve
with changes is one answer.
"""

from .board import EMPTY, Approval, Approvals, Rules
from .commands import AnswerApproval, ConfigureApprovals, ExpireApproval, RequestApproval, WithdrawApproval
from .events import (
    DEFAULT_AFTER,
    ApprovalAnswered,
    ApprovalConfigured,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalWithdrawn,
    Option,
    Options,
    Question,
    Within,
)
from .fold import evolve
from .rules import deadlines, decide

__all__ = [
    "DEFAULT_AFTER",
    "EMPTY",
    "AnswerApproval",
    "Approval",
    "ApprovalAnswered",
    "ApprovalConfigured",
    "ApprovalExpired",
    "ApprovalRequested",
    "ApprovalWithdrawn",
    "Approvals",
    "ConfigureApprovals",
    "ExpireApproval",
    "Option",
    "Options",
    "Question",
    "RequestApproval",
    "Rules",
    "WithdrawApproval",
    "Within",
    "deadlines",
    "decide",
    "evolve",
]
