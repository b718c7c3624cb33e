"""Approvals: a question to people, answered once.

    requested → answered | expired | withdrawn

One of those asked answers; who comes second gets the first answer. At the deadline the default holds, if there is one.

An answer is one of the `options`, or a `value` that matches the JSON Schema which was asked with, or both: to approve
with changes is one answer.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import AfterValidator, Field, JsonValue, StringConstraints

from ..audience import USERS, Audience, Viewer, visible
from ..errors import Conflict, Forbidden, Invalid, NoChange, NotFound
from ..ids import ApprovalId, Name, ParticipantId, TaskId, Version
from ..json.answer_schema import AnswerSchema, refuse_mismatch
from ..model import (
    DAY,
    Command,
    CommandData,
    Deadline,
    Decision,
    Event,
    EventData,
    JsonObject,
    Reason,
    Repeat,
    decided,
    timer_id,
)
from ..timestamps import Time
from .open_work import OpenWork, refuse_more


def _each_once(options: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(options))


Question = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Option = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Options = Annotated[tuple[Option, ...], Field(min_length=1, max_length=16), AfterValidator(_each_once)]
Within = Annotated[float, Field(gt=0, le=30 * DAY, strict=True)]


class _ApprovalEvent(EventData):
    approval: ApprovalId
    """Which approval."""

    def subject(self) -> str:
        return f"approval:{self.approval}"


class ApprovalRequested(_ApprovalEvent):
    """A question waits for an answer."""

    type = "approval.requested"
    question: Question
    """What is asked."""
    options: tuple[Option, ...] = ()
    """What can be answered; none where the answer is only a value."""
    answer_schema: JsonObject | None = None
    """What the value of an answer must match; absent: an answer has none."""
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
    comment: Reason | None = None
    """What was said with it."""


class ApprovalExpired(_ApprovalEvent):
    """Nobody answered in time."""

    type = "approval.expired"
    option: Option | None = None
    """What holds now: the default."""


class ApprovalWithdrawn(_ApprovalEvent):
    """Nobody waits for the answer any more."""

    type = "approval.withdrawn"
    reason: Reason | None = None
    """For people."""


class _ApprovalCommand(CommandData):
    concept: ClassVar[str] = "approvals"
    approval: ApprovalId
    """Which approval."""


class RequestApproval(_ApprovalCommand):
    """Ask people."""

    do = "approval.request"
    approval: ApprovalId
    """The approval's id: minted by whoever asks, unique in the session."""
    question: Question
    """What you ask."""
    options: Options | None = None
    """What can be answered; absent: `yes` and `no`, or nothing but a value if there is an `answer_schema`."""
    answer_schema: AnswerSchema | None = None
    """A JSON Schema (a bounded part of draft 2020-12) of the value that an answer may have, and that an answer without
    options must have. For a free text: `{"type": "string"}`."""
    of: Audience = (USERS,)
    """Who may answer."""
    within: Within | None = None
    """Seconds to the deadline; absent: there is none."""
    default: Option | None = None
    """What holds if nobody has answered by then, one of the options; absent: nothing."""


class AnswerApproval(_ApprovalCommand):
    """Answer. If another has answered before you, that answer is the result."""

    do = "approval.answer"
    option: Option | None = None
    """One of the options, if there are any."""
    value: JsonValue = None
    """What matches the schema, if there is one."""
    comment: Reason | None = None
    """What you want to say with it."""


class WithdrawApproval(_ApprovalCommand):
    """Take your question back."""

    do = "approval.withdraw"
    reason: Reason | None = None
    """For people."""


class ExpireApproval(_ApprovalCommand):
    """End the wait. Done by the gateway's clock."""

    do = "approval.expire"


class Approval(NamedTuple):
    """A question as it stands; `answered` is the version of the answer, `option` and `value` what holds."""

    id: ApprovalId
    requester: ParticipantId
    task: TaskId | None
    question: str
    options: tuple[str, ...]
    of: tuple[str, ...] | None
    default: str | None
    due: datetime | None
    since: Version
    status: Literal["open", "answered", "expired", "withdrawn"] = "open"
    option: str | None = None
    answered: Version = Version(0)
    run: str | None = None
    answer_schema: JsonObject | None = None
    value: JsonValue = None


class Approvals(NamedTuple):
    """All approvals; the open ones; and whose these are."""

    known: Map[ApprovalId, Approval] = Map()
    open: Map[ApprovalId, None] = Map()
    work: OpenWork = OpenWork()


EMPTY = Approvals()


def decide(approvals: Approvals, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case RequestApproval() as data:
            return _request(approvals, command, data)
        case AnswerApproval() as data:
            return _answer(approvals, command, data)
        case WithdrawApproval() as data:
            approval = _open(approvals, data.approval)
            if approval.requester != command.actor.id:
                raise Forbidden(
                    f"Approval {approval.id!r} was asked for by {approval.requester!r}, who may withdraw it."
                )
            return decided(ApprovalWithdrawn(approval=approval.id, reason=data.reason))
        case ExpireApproval() as data:
            approval = _open(approvals, data.approval)
            if approval.due is None or command.time < approval.due:
                raise NoChange(f"Approval {approval.id!r} has time yet.")
            return decided(ApprovalExpired(approval=approval.id, option=approval.default))
    raise NotImplementedError(command.data.do)


def _request(approvals: Approvals, command: Command, data: RequestApproval) -> Decision:
    if data.approval in approvals.known:
        raise Conflict(f"Approval {data.approval!r} exists already; choose another id.")
    options = data.options or (("yes", "no") if data.answer_schema is None else ())
    if data.default is not None and data.default not in options:
        raise NotFound("The default is none of the options.", options=options)
    refuse_more(len(approvals.open), "open approvals")
    due = None if data.within is None else command.time + timedelta(seconds=data.within)
    requested = ApprovalRequested(
        approval=data.approval,
        question=data.question,
        options=options,
        answer_schema=data.answer_schema,
        of=data.of,
        default=data.default,
        due=due,
        run=command.run,
    )
    return decided(requested)


def _answer(approvals: Approvals, command: Command, data: AnswerApproval) -> Decision:
    approval = _known(approvals, data.approval)
    if not visible(approval.of, Viewer(*command.actor)):
        raise Forbidden(f"Approval {approval.id!r} is asked of {', '.join(approval.of or ())}.")
    if approval.status == "answered":
        return Decision((), repeat=Repeat(f"approval:{approval.id}", Version(approval.answered - 1)))
    approval = _open(approvals, data.approval)
    if approval.options or data.option is not None:
        _refuse_other_option(approval, data.option)
    if approval.answer_schema is None:
        if data.value is not None:
            raise Invalid(f"Approval {approval.id!r} is answered by an option alone.")
    elif data.value is not None or not approval.options:
        refuse_mismatch(approval.answer_schema, data.value)
    answered = ApprovalAnswered(approval=approval.id, option=data.option, value=data.value, comment=data.comment)
    return decided(answered)


def _refuse_other_option(approval: Approval, option: str | None) -> None:
    if option not in approval.options:
        there = f"there are {', '.join(approval.options)}" if approval.options else "answer with a value"
        raise NotFound(f"There is no such option; {there}.", options=approval.options)


def _known(approvals: Approvals, id: ApprovalId) -> Approval:
    approval = approvals.known.get(id)
    if approval is None:
        raise NotFound(f"There is no approval {id!r}.")
    return approval


def _open(approvals: Approvals, id: ApprovalId) -> Approval:
    approval = _known(approvals, id)
    if approval.status != "open":
        raise Conflict(f"Approval {id!r} is {approval.status}.", status_now=approval.status, option=approval.option)
    return approval


def evolve(approvals: Approvals, event: Event) -> Approvals:
    """Fold one event."""
    match event.data:
        case ApprovalRequested() as data:
            about = (data.approval, event.actor, event.task, data.question, data.options, data.of, data.default)
            approval = Approval(*about, data.due, event.version, answer_schema=data.answer_schema, run=data.run)
            known, open = approvals.known.set(approval.id, approval), approvals.open.set(approval.id, None)
            return Approvals(known, open, approvals.work.begun(approval.id, approval.requester, approval.task))
        case ApprovalAnswered() as data:
            holds = {"option": data.option, "value": data.value}
            return _closed(approvals, data.approval, "answered", answered=event.version, **holds)
        case ApprovalExpired() as data:
            return _closed(approvals, data.approval, "expired", option=data.option)
        case ApprovalWithdrawn() as data:
            return _closed(approvals, data.approval, "withdrawn")
    return approvals


def _closed(
    approvals: Approvals, id: ApprovalId, status: Literal["answered", "expired", "withdrawn"], **holds: Any
) -> Approvals:
    closed = approvals.known[id]._replace(status=status, answer_schema=None, **holds)
    open = approvals.open.delete(id) if id in approvals.open else approvals.open
    work = approvals.work.ended(id, closed.requester, closed.task)
    return Approvals(approvals.known.set(id, closed), open, work)


def deadlines(approvals: Approvals) -> Iterator[Deadline]:
    """When those who are asked must have answered."""
    for id in approvals.open:
        due = approvals.known[id].due
        if due is not None:
            yield Deadline(due, timer_id("approval", id), ExpireApproval(approval=id))
