"""What happens in a team, in words: tasks, signals, approvals, the floor, and who is lost."""

from collections.abc import Callable
from typing import Any

from ...domain.concepts import approvals, floor, presence, signals, tasks, tools
from ...domain.model import EventData
from .short_forms import answer_to, compact, joined, short


def _aim(target: str) -> str:
    """What a signal is aimed at."""
    kind, _, id = target.partition(":")
    return f"{kind} {short(id)}" if id else f"the {kind}"


def _attempt(data: Any) -> str:
    return f"{short(data.task)} #{data.attempt}" if data.attempt else short(data.task)


def _created(data: tasks.TaskCreated) -> str:
    needs = f"needs {', '.join(map(short, data.needs))}" if data.needs else None
    return joined(short(data.task), data.title, needs, f"for {data.assignee}" if data.assignee else None)


def _progressed(data: tasks.TaskProgressed) -> str:
    return joined(_attempt(data), None if data.share is None else f"{data.share:.0%}", data.note)


def _raised(data: signals.SignalRaised) -> str:
    to = f"to {data.to}" if data.to else None
    return joined(f"{short(data.signal)} {data.kind} {_aim(data.target)}", to, _body(data.body))


def _body(body: Any) -> str | None:
    return body if body is None or isinstance(body, str) else compact(body)


def _asked(data: approvals.ApprovalRequested) -> str:
    several = [each.question for each in data.questions or ()]
    return joined(f"{short(data.approval)} {data.question}", " / ".join(data.options) or None, *several)


def _answered(data: approvals.ApprovalAnswered) -> str:
    several = [answer_to(*each) for each in (data.answers or {}).items()]
    said = joined(data.option, data.words, _body(data.value), *several)
    return joined(f"{short(data.approval)} → {said}", data.comment)


def _released(data: tasks.TaskReleased) -> str:
    needs = None if data.needs is None else f"needs {', '.join(map(short, data.needs)) or 'nothing'}"
    return joined(_attempt(data), data.why, needs, data.reason)


def _configured(data: approvals.ApprovalConfigured) -> str:
    answers = "agents may answer their own questions" if data.self_answer else "agents leave their questions to others"
    return joined(answers, f"defaults hold after {data.default_after or approvals.DEFAULT_AFTER:g} s at the earliest")


TEAMWORK: dict[type[EventData], Callable[[Any], str]] = {
    presence.PresenceStalled: lambda data: data.reason or f"in task {short(data.task)}",
    presence.PresenceRecovered: lambda data: data.reason or f"in task {short(data.task)}",
    presence.PresenceLost: lambda data: data.reason or data.participant,
    tools.ToolAbandoned: lambda data: joined(short(data.call), data.reason),
    tasks.TaskCreated: _created,
    tasks.TaskClaimed: _attempt,
    tasks.TaskProgressed: _progressed,
    tasks.TaskCompleted: _attempt,
    tasks.TaskFailed: lambda data: joined(
        f"{_attempt(data)} ✕ {data.error}", "may be tried again" if data.retryable else None
    ),
    tasks.TaskReleased: _released,
    tasks.TaskCancelled: lambda data: joined(_attempt(data), data.reason),
    tasks.TaskBlocked: lambda data: f"{short(data.task)} needs {short(data.need)}, which will not be completed",
    tasks.TaskReady: lambda data: short(data.task),
    tasks.TaskSteered: lambda data: joined(short(data.task), _body(data.instruction)),
    tasks.TaskFenced: lambda data: f"{_attempt(data)} is over: {data.do} was refused",
    signals.SignalRaised: _raised,
    signals.SignalDelivered: lambda data: short(data.signal),
    signals.SignalHonoured: lambda data: joined(short(data.signal), data.reason),
    signals.SignalRefused: lambda data: joined(short(data.signal), data.reason),
    signals.SignalWithdrawn: lambda data: joined(short(data.signal), data.reason),
    signals.SignalExpired: lambda data: joined(short(data.signal), ", ".join(data.waiting)),
    signals.SignalAddressed: lambda data: f"{short(data.signal)} now concerns {', '.join(data.addressees)}",
    approvals.ApprovalRequested: _asked,
    approvals.ApprovalAnswered: _answered,
    approvals.ApprovalExpired: lambda data: f"{short(data.approval)} → {data.option or 'no answer'}",
    approvals.ApprovalWithdrawn: lambda data: joined(short(data.approval), data.reason),
    approvals.ApprovalConfigured: _configured,
    floor.FloorWithheld: lambda data: f"{data.of} {compact(data.said)}",
    floor.FloorMoved: lambda data: "to all" if data.speakers is None else f"to {', '.join(data.speakers) or 'nobody'}",
}
