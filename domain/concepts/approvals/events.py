"""What is recorded of approvals."""

from typing import Annotated

from pydantic import Field, JsonValue

from ...audience import Audience
from ...ids import ApprovalId, Name
from ...model import DAY, EventData, JsonObject, Reason
from ...timestamps import Time
from .questions import Answer, Option, Question, QuestionText, Words

Within = Annotated[float, Field(gt=0, le=30 * DAY, strict=True)]
DEFAULT_AFTER = 60.0
"""Seconds that an agent's question leaves people before its default holds."""


class _ApprovalEvent(EventData):
    approval: ApprovalId
    """Which approval."""

    def subject(self) -> str:
        return f"approval:{self.approval}"


class ApprovalRequested(_ApprovalEvent):
    """A question waits for an answer."""

    type = "approval.requested"
    question: QuestionText
    """What is asked."""
    options: tuple[Option, ...] = ()
    """What can be answered; none where the answer is only a value."""
    answer_schema: JsonObject | None = None
    """What the value of an answer must match; absent: an answer has none."""
    own_words: bool | None = None
    """Whether it can be answered in words of one's own; absent: no."""
    questions: tuple[Question, ...] | None = None
    """What is asked one by one, and answered at once; absent: only `question`."""
    of: Audience | None = None
    """Who may answer; absent: everyone."""
    default: Option | None = None
    """What holds if nobody has answered at the deadline."""
    due: Time | None = None
    """The deadline."""
    run: Name | None = None
    """Which run of the actor asks, where that has a name."""


class ApprovalAnswered(_ApprovalEvent):
    """The actor has answered, for all who were asked."""

    type = "approval.answered"
    option: Option | None = None
    """The answer: one of the options."""
    value: JsonValue = None
    """The answer in full: the changes to what was proposed, a free text, a filled form."""
    words: Words | None = None
    """The answer in words of one's own."""
    answers: dict[Name, Answer] | None = None
    """The answers to several questions, by their names."""
    comment: Reason | None = None
    """What was said with it."""


class ApprovalExpired(_ApprovalEvent):
    """Nobody answered in time."""

    type = "approval.expired"
    option: Option | None = None
    """What holds now: the default."""


class ApprovalConfigured(EventData):
    """What agents may do with questions of their own is another now."""

    type = "approval.configured"
    self_answer: bool = False
    """Whether an agent may answer its own question, where it is one of those asked."""
    default_after: Within | None = None
    """Seconds that an agent's question must leave before its default holds; absent: 60."""

    def subject(self) -> str:
        return "approvals"


class ApprovalWithdrawn(_ApprovalEvent):
    """Nobody waits for the answer any more."""

    type = "approval.withdrawn"
    reason: Reason | None = None
    """For people."""
