"""A session as one page: what somebody who comes to it wants to know first, as far as they may see it."""

from typing import Any

from ...domain.audience import Viewer, visible
from ...domain.concepts.approvals import Approval
from ...domain.concepts.messages import Message
from ...domain.concepts.signals import Signal
from ...domain.concepts.tasks import Task
from ...domain.parts import assemble
from ...domain.state import State


def session_page(state: State, viewer: Viewer) -> dict[str, Any]:
    """The session now: what is open in it, and what it has come to."""
    messages = [each for each in state.messages.values() if each.status == "open" and _may_see(each, viewer)]
    signals, approvals = state.signals, state.approvals
    return {
        "session": state.id,
        "version": state.version,
        "status": state.session.status,
        "title": state.session.title,
        "labels": state.session.labels,
        "metadata": state.session.metadata,
        "participants": [each._asdict() for each in state.presence.values()],
        "open_messages": [_message(each) for each in sorted(messages, key=lambda each: each.since)],
        "tasks": [_task(each) for each in sorted(state.tasks.known.values(), key=lambda each: each.since)],
        "open_signals": [_signal(signals.known[id]) for id in sorted(signals.open)],
        "open_approvals": [_approval(approvals.known[id]) for id in sorted(approvals.open)],
        "speakers": None if state.floor is None else sorted(state.floor),
        "state": state.document.value,
        "state_version": state.document.version,
    }


def _may_see(message: Message, viewer: Viewer) -> bool:
    return visible(message.audience, message.author, viewer)


def _message(message: Message) -> dict[str, Any]:
    return {
        "message": message.id,
        "author": message.author,
        "kind": message.kind,
        "task": message.task,
        "since": message.since,
        "parts": [part.model_dump() for part in assemble(message.streamed)],
    }


def _task(task: Task) -> dict[str, Any]:
    return {
        "task": task.id,
        "title": task.title,
        "status": task.status,
        "owner": task.owner,
        "attempt": task.attempt,
        "tries": task.tries,
        "max_attempts": task.policy.max_attempts,
        "priority": task.policy.priority,
        "deadline": task.policy.deadline,
        "not_before": task.not_before,
        "blocked_by": task.blocked_by,
        "last_error": task.last_error,
        "steers": task.steers,
        "assignee": task.assignee,
        "parent": task.parent,
        "needs": task.needs,
        "input": task.input,
        "since": task.since,
    }


def _signal(signal: Signal) -> dict[str, Any]:
    return {
        "signal": signal.id,
        "kind": signal.kind,
        "target": signal.target,
        "raiser": signal.raiser,
        "body": signal.body,
        "to": signal.to,
        "due": signal.due,
        "waiting": {participant: "delivered" if got else "raised" for participant, got in signal.waiting.items()},
        "since": signal.since,
    }


def _approval(approval: Approval) -> dict[str, Any]:
    return {
        "approval": approval.id,
        "requester": approval.requester,
        "task": approval.task,
        "question": approval.question,
        "options": approval.options,
        "answer_schema": approval.answer_schema,
        "of": approval.of,
        "default": approval.default,
        "due": approval.due,
        "since": approval.since,
    }
