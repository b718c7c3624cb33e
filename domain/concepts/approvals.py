"""Approvals: a question to people, answered once.

    requested → answered | expired | withdrawn

One of those asked answers; who comes second gets the first answer. At the deadline the default holds, if there is one.

An agent does not answer its own question; nor does it let its default stand in for an answer before people had the
time to give one: unless the session says so (`approval.configure`).

An answer is one of the `options`, or a `value` that matches the JSON Schema which was asked with, or both: to approve
with changes is one answer.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import AfterValidator, Field, JsonValue, Strict, StringConstraints

from ..audience import USERS, Audience, sees
from ..errors import Conflict, Forbidden, Invalid, NoChange, NotFound
from ..ids import ApprovalId, Name, ParticipantId, TaskId, Version
from ..json.answer_schema import AnswerSchema, refuse_mismatch
from ..model import (
    DAY,
    Actor,
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
    audience: tuple[str, ...] | None = None


class Rules(NamedTuple):
    """What agents may do with questions of their own."""

    self_answer: bool = False
    default_after: float = DEFAULT_AFTER


class Approvals(NamedTuple):
    """All approvals; the open ones; whose these are; and the rules for agents."""

    known: Map[ApprovalId, Approval] = Map()
    open: Map[ApprovalId, None] = Map()
    work: OpenWork = OpenWork()
    rules: Rules = Rules()


EMPTY = Approvals()


def decide(approvals: Approvals, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case RequestApproval() as data:
            return _request(approvals, command, data)
        case AnswerApproval() as data:
            return _answer(approvals, command, data)
        case WithdrawApproval() as data:
            approval = _open(approvals, command.actor, data.approval)
            if approval.requester != command.actor.id:
                raise Forbidden(
                    f"Approval {approval.id!r} was asked for by {approval.requester!r}, who may withdraw it."
                )
            return decided(ApprovalWithdrawn(approval=approval.id, reason=data.reason))
        case ExpireApproval() as data:
            approval = _open(approvals, command.actor, data.approval)
            if approval.due is None or command.time < approval.due:
                raise NoChange(f"Approval {approval.id!r} has time yet.")
            return decided(ApprovalExpired(approval=approval.id, option=approval.default))
        case ConfigureApprovals() as data:
            return _configure(approvals, command, data)
    raise NotImplementedError(command.data.do)


def _configure(approvals: Approvals, command: Command, data: ConfigureApprovals) -> Decision:
    if command.actor.kind == "agent":
        raise Forbidden("Agents do not say what they may do with their own questions; people and services do.")
    configured = ApprovalConfigured(self_answer=data.self_answer, default_after=data.default_after)
    if _rules(configured) == approvals.rules:
        raise NoChange("It is so already.")
    return decided(configured)


def _rules(configured: ApprovalConfigured) -> Rules:
    return Rules(configured.self_answer, configured.default_after or DEFAULT_AFTER)


def _request(approvals: Approvals, command: Command, data: RequestApproval) -> Decision:
    if data.approval in approvals.known:
        raise Conflict(f"Approval {data.approval!r} exists already; choose another id.")
    options = data.options or (("yes", "no") if data.answer_schema is None else ())
    if data.default is not None and data.default not in options:
        raise NotFound("The default is none of the options.", options=options)
    patience = approvals.rules.default_after
    if command.actor.kind == "agent" and None not in (data.default, data.within) and (data.within or 0) < patience:
        raise Forbidden(
            f"An agent's question leaves at least {patience:g} seconds before its default holds; give it more in "
            f"`within`, or leave out `default`."
        )
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
    return decided(requested, audience=data.audience)


def _answer(approvals: Approvals, command: Command, data: AnswerApproval) -> Decision:
    actor = command.actor
    approval = _known(approvals, actor, data.approval)
    if actor.kind == "agent" and actor.id == approval.requester and not approvals.rules.self_answer:
        raise Forbidden(f"Approval {approval.id!r} is your own question; somebody else answers it.")
    if not sees(actor, approval.of):
        raise Forbidden(f"Approval {approval.id!r} is asked of {', '.join(approval.of or ())}.")
    if approval.status == "answered":
        return Decision((), repeat=Repeat(f"approval:{approval.id}", Version(approval.answered - 1)))
    approval = _open(approvals, actor, data.approval)
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


def _known(approvals: Approvals, actor: Actor, id: ApprovalId) -> Approval:
    approval = approvals.known.get(id)
    if approval is None or not sees(actor, approval.audience):
        raise NotFound(f"There is no approval {id!r}.")
    return approval


def _open(approvals: Approvals, actor: Actor, id: ApprovalId) -> Approval:
    approval = _known(approvals, actor, id)
    if approval.status != "open":
        raise Conflict(f"Approval {id!r} is {approval.status}.", status_now=approval.status, option=approval.option)
    return approval


def evolve(approvals: Approvals, event: Event) -> Approvals:
    """Fold one event."""
    match event.data:
        case ApprovalRequested() as data:
            about = (data.approval, event.actor, event.task, data.question, data.options, data.of, data.default)
            approval = Approval(*about, data.due, event.version, answer_schema=data.answer_schema, run=data.run)
            approval = approval._replace(audience=event.audience)
            known, open = approvals.known.set(approval.id, approval), approvals.open.set(approval.id, None)
            work = approvals.work.begun(approval.id, approval.requester, approval.task)
            return approvals._replace(known=known, open=open, work=work)
        case ApprovalAnswered() as data:
            holds = {"option": data.option, "value": data.value}
            return _closed(approvals, data.approval, "answered", answered=event.version, **holds)
        case ApprovalExpired() as data:
            return _closed(approvals, data.approval, "expired", option=data.option)
        case ApprovalWithdrawn() as data:
            return _closed(approvals, data.approval, "withdrawn")
        case ApprovalConfigured() as data:
            return approvals._replace(rules=_rules(data))
    return approvals


def _closed(
    approvals: Approvals, id: ApprovalId, status: Literal["answered", "expired", "withdrawn"], **holds: Any
) -> Approvals:
    closed = approvals.known[id]._replace(status=status, answer_schema=None, **holds)
    open = approvals.open.delete(id) if id in approvals.open else approvals.open
    work = approvals.work.ended(id, closed.requester, closed.task)
    return approvals._replace(known=approvals.known.set(id, closed), open=open, work=work)


def deadlines(approvals: Approvals) -> Iterator[Deadline]:
    """When those who are asked must have answered."""
    for id in approvals.open:
        due = approvals.known[id].due
        if due is not None:
            yield Deadline(due, timer_id("approval", id), ExpireApproval(approval=id))
