"""How questions are asked, answered and taken back."""

from typing import Annotated, ClassVar

from pydantic import JsonValue, Strict

from ...audience import USERS, Audience
from ...ids import ApprovalId
from ...json.answer_schema import AnswerSchema
from ...model import CommandData, Reason
from .events import Within
from .questions import Answers, Option, Options, Questions, QuestionText, Words


class _ApprovalCommand(CommandData):
    concept: ClassVar[str] = "approvals"
    approval: ApprovalId
    """Which approval."""


class RequestApproval(_ApprovalCommand):
    """Ask people."""

    do = "approval.request"
    approval: ApprovalId
    """The approval's id: minted by who asks, unique in the session."""
    question: QuestionText
    """What you ask."""
    options: Options | None = None
    """What can be answered; absent: `yes` and `no`, or none if there is an `answer_schema` or `own_words`."""
    answer_schema: AnswerSchema | None = None
    """A JSON Schema (a bounded part of draft 2020-12) of the value that an answer may have, and that an answer without
    options must have."""
    own_words: Annotated[bool, Strict()] = False
    """Whether it can be answered in words of one's own, with or without an option."""
    questions: Questions | None = None
    """Several questions, which are answered at once; `question` then says what they are about. They have no default,
    and each says how it is answered."""
    of: Audience = (USERS,)
    """Who may answer."""
    within: Within | None = None
    """Seconds to the deadline; absent: there is none."""
    default: Option | None = None
    """What holds if nobody has answered by then, one of the options; absent: nothing. An agent that names one leaves at
    least 60 seconds, unless the session says otherwise."""
    audience: Audience | None = None
    """Who may see the question and its answer, besides you and those who are asked; absent: the agents, or those who
    may see the task under which you ask."""


class AnswerApproval(_ApprovalCommand):
    """Answer. If another has answered before you, that answer is the result."""

    do = "approval.answer"
    option: Option | None = None
    """One of the options, if there are any."""
    value: JsonValue = None
    """What matches the schema, if there is one."""
    words: Words | None = None
    """What you want to say in words of your own, where that is asked for."""
    answers: Answers | None = None
    """Where several questions were asked: the answer to each, by its name."""
    comment: Reason | None = None
    """What you want to say with it."""


class WithdrawApproval(_ApprovalCommand):
    """Take your question back."""

    do = "approval.withdraw"
    reason: Reason | None = None
    """For people."""


class ConfigureApprovals(CommandData):
    """Say what agents may do with questions of their own. For people and services."""

    do = "approval.configure"
    concept: ClassVar[str] = "approvals"
    self_answer: Annotated[bool, Strict()] = False
    """Whether an agent may answer its own question, where it is one of those asked."""
    default_after: Within | None = None
    """Seconds that an agent's question must leave before its default holds; absent: 60."""


class ExpireApproval(_ApprovalCommand):
    """End the wait. Done by the gateway's clock."""

    do = "approval.expire"
