"""Approvals: a question to people, answered once.

    requested → answered | expired | withdrawn

One of those asked answers; who comes second gets the first answer. At the deadline the default holds, if there is one.

An agent does not answer its own question; nor does it let its default stand in for an answer before people had the
time to give one: unless the session says so (`approval.configure`).

An answer is one of the `options`, words of the answerer's own where that was asked for, or a `value` that matches the
JSON Schema which was asked with, or these together: to approve with changes is one answer. Several questions can be
asked at once; they are answered at once, by one answer.
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
    Within,
)
from .fold import evolve
from .questions import Answer, Option, Options, Question, QuestionText
from .rules import deadlines, decide

__all__ = [
    "DEFAULT_AFTER",
    "EMPTY",
    "Answer",
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
    "QuestionText",
    "RequestApproval",
    "Rules",
    "WithdrawApproval",
    "Within",
    "deadlines",
    "decide",
    "evolve",
]
