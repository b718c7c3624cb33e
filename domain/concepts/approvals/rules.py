"""Who may ask what, and who answers it; and when the wait is over."""

from collections.abc import Iterator
from datetime import timedelta

from ...audience import sees
from ...errors import Conflict, Forbidden, Invalid, NoChange, NotFound
from ...ids import ApprovalId, Version
from ...model import Actor, Command, Deadline, Decision, Repeat, decided, timer_id
from ..open_work import refuse_more
from .board import Approval, Approvals, Rules
from .commands import AnswerApproval, ConfigureApprovals, ExpireApproval, RequestApproval, WithdrawApproval
from .events import (
    DEFAULT_AFTER,
    ApprovalAnswered,
    ApprovalConfigured,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalWithdrawn,
)
from .questions import Answer, Question, options_of, refuse_incomplete, refuse_wrong


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
    if rules_of(configured) == approvals.rules:
        raise NoChange("It is so already.")
    return decided(configured)


def rules_of(configured: ApprovalConfigured) -> Rules:
    return Rules(configured.self_answer, configured.default_after or DEFAULT_AFTER)


def _request(approvals: Approvals, command: Command, data: RequestApproval) -> Decision:
    if data.approval in approvals.known:
        raise Conflict(f"Approval {data.approval!r} exists already; choose another id.", exists=data.approval)
    options = _options(data)
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
        own_words=data.own_words or None,
        questions=data.questions,
        of=data.of,
        default=data.default,
        due=due,
        run=command.run,
    )
    return decided(requested, audience=data.audience)


def _options(data: RequestApproval) -> tuple[str, ...]:
    """What can be answered. Raises Conflict for what each of several questions says, or none, and for a name that two
    of them have."""
    if data.questions is None:
        return options_of(_only(data))
    if data.options or data.answer_schema is not None or data.own_words or data.default is not None:
        raise Conflict("Of several questions each says how it is answered, and none has a default.")
    if len({each.name for each in data.questions}) < len(data.questions):
        raise Conflict("Of several questions each has a name of its own.")
    return ()


def _only(asked: RequestApproval | Approval) -> Question:
    """What is asked where that is one thing."""
    return Question.model_construct(
        name="question",
        question=asked.question,
        options=asked.options or (),
        own_words=asked.own_words,
        answer_schema=asked.answer_schema,
    )


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
    refuse_wrong_answer(approval, data)
    said = {name: getattr(data, name) for name in ("option", "value", "words", "answers", "comment")}
    return decided(ApprovalAnswered(approval=approval.id, **said))


def refuse_wrong_answer(approval: Approval, data: AnswerApproval | ApprovalAnswered) -> None:
    """Raise Invalid, and NotFound for an option that there is not, where this does not answer the question."""
    what = f"Approval {approval.id!r}"
    chosen = () if data.option is None else (data.option,)
    answer = Answer.model_construct(options=chosen, words=data.words, value=data.value)
    if not approval.questions:
        if data.answers is not None:
            raise Invalid(f"{what} asks one thing; leave out `answers`.")
        refuse_wrong(what, _only(approval), answer)
        return
    if answer != Answer():
        raise Invalid(f"{what} asks several things; answer them in `answers`.")
    refuse_incomplete(what, approval.questions, data.answers or {})


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


def deadlines(approvals: Approvals) -> Iterator[Deadline]:
    """When those who are asked must have answered."""
    for id in approvals.open:
        due = approvals.known[id].due
        if due is not None:
            yield Deadline(due, timer_id("approval", id), ExpireApproval(approval=id))
