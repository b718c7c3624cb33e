"""Whether what comes again is what came first: a command under an id, a delta under an index.

Nothing is kept for it: a repeat is compared with the event that the first one led to. What a command says stands in its
first event under the same names, but for what the rules add to it or work out; that is passed over here.
"""

from datetime import timedelta
from typing import Any

from ...domain.audience import AGENTS, USERS
from ...domain.catalogue import payload
from ...domain.concepts.approvals import ApprovalRequested, RequestApproval
from ...domain.concepts.custom import RecordCustom
from ...domain.concepts.document import PatchState
from ...domain.concepts.floor import FloorWithheld, MoveFloor
from ...domain.concepts.lifecycle import SessionOpened
from ...domain.concepts.messages import PostMessage
from ...domain.concepts.presence import Join
from ...domain.concepts.streams import AppendToStream, CreateStream, ProducerNumber, StreamAppended
from ...domain.concepts.tasks import (
    CAME_TO_NOTHING,
    MAX_ERROR_CHARS,
    CreateTask,
    FailTask,
    ReleaseTask,
    TaskCreated,
    TaskFailed,
)
from ...domain.model import Command, CommandData, Event, EventData
from ...domain.parts import TextPart

_LEADS_TO = {
    "session.open": "session.opened",
    "session.fork": "session.forked",
    "session.describe": "session.described",
    "session.label": "session.labelled",
    "session.close": "session.closed",
    "session.reopen": "session.reopened",
    "presence.join": "presence.joined",
    "presence.status": "presence.status",
    "presence.leave": "presence.left",
    "message.post": "message.posted",
    "message.start": "message.started",
    "message.delta": "message.delta",
    "message.complete": "message.completed",
    "message.abort": "message.aborted",
    "tool.call": "tool.called",
    "tool.output": "tool.output",
    "tool.return": "tool.returned",
    "state.patch": "state.patched",
    "state.merge": "state.merged",
    "state.increment": "state.incremented",
    "task.create": "task.created",
    "task.claim": "task.claimed",
    "task.progress": "task.progressed",
    "task.complete": "task.completed",
    "task.fail": "task.failed",
    "task.release": "task.released",
    "task.reroute": "task.released",
    "task.cancel": "task.cancelled",
    "signal.raise": "signal.raised",
    "signal.deliver": "signal.delivered",
    "signal.honour": "signal.honoured",
    "signal.refuse": "signal.refused",
    "signal.withdraw": "signal.withdrawn",
    "approval.request": "approval.requested",
    "approval.answer": "approval.answered",
    "approval.withdraw": "approval.withdrawn",
    "approval.configure": "approval.configured",
    "floor.move": "floor.moved",
    "stream.create": "stream.created",
    "stream.append": "stream.appended",
    "stream.close": "stream.closed",
    "stream.delete": "stream.deleted",
}
"""By a command's name: the type of its first event. What is not here is not compared."""
_WORKED_OUT = {
    "session.fork": {"at", "title"},
    "message.complete": {"deltas"},
    "tool.return": {"deltas"},
    "signal.raise": {"grace"},
    "approval.request": {"options"},
}
"""By a command's name: members that the rules fill in where it does not say them."""
_CALLED = {"task.reroute": {"to": "assignee"}}
"""By a command's name: what its members are called in the event, where that differs."""


def may_have_led_to(command: Command, event: Event) -> bool:
    """Whether an event can be the first one of this command."""
    data, recorded = command.data, event.data
    if event.actor != command.actor.id or (
        command.task is not None and event.task not in (command.task, getattr(data, "task", None))
    ):
        return False
    if not _same_audience(command, event):
        return False
    if isinstance(data, RecordCustom):
        return event.type == data.type and payload(data.type, data.data) == recorded
    if (isinstance(data, ReleaseTask) and _failed_by_release(data, recorded)) or _opened_for(data, recorded):
        return True
    type_, called = _LEADS_TO.get(data.do), _CALLED.get(data.do, {})
    if type_ is None:
        return True
    if isinstance(recorded, FloorWithheld):  # the words come first, by themselves
        return recorded.of == type_ and all(getattr(data, name, said) == said for name, said in recorded.said.items())
    if isinstance(data, Join) and data.new_run and event.type == "presence.left":
        return True  # the run before it leaves first
    members = [(name, called.get(name, name)) for name in type(data).model_fields if name != "audience"]
    return (
        event.type == type_
        and all(
            _same(data, name, getattr(recorded, member))
            for name, member in members
            if member in type(recorded).model_fields
        )
        and _same_deadline(data, event)
        and _same_content(data, recorded)
    )


def _same_deadline(data: CommandData, event: Event) -> bool:
    """Whether a command leaves as many seconds as its event, which names their end."""
    match data, event.data:
        case (CreateTask(within=within), TaskCreated(deadline=due)):
            pass
        case (RequestApproval(within=within), ApprovalRequested(due=due)):
            pass
        case _:
            return True
    return due == (None if within is None else event.time + timedelta(seconds=within))


def _opened_for(data: CommandData, recorded: EventData) -> bool:
    """Whether this is the beginning of a session that was opened for the stream which a command creates."""
    if not isinstance(data, CreateStream) or not isinstance(recorded, SessionOpened):
        return False
    return data.content_type in (recorded.labels or {}).values()


def _same_content(data: CommandData, recorded: EventData) -> bool:
    """Whether a command appends what its event holds."""
    if not isinstance(data, AppendToStream) or not isinstance(recorded, StreamAppended):
        return True
    content = data.content
    return (content.text, content.base64, content.messages) == (recorded.text, recorded.base64, recorded.messages)


def _failed_by_release(data: ReleaseTask, recorded: EventData) -> bool:
    """Whether this is the end of a task whose last attempt was given back so, or what the team alone hears of it."""
    match recorded:
        case TaskFailed(why="attempts"):
            same, error = (recorded.task, recorded.attempt) == (data.task, data.attempt), recorded.error
        case FloorWithheld(of="task.failed"):
            same, error = recorded.about == f"task:{data.task}", str(recorded.said.get("error"))
        case _:
            return False
    said, kept = data.reason or "given-up", error.partition(CAME_TO_NOTHING)[2]
    return same and (kept == said or (len(error) == MAX_ERROR_CHARS and said.startswith(kept)))


def _same(data: CommandData, name: str, recorded: Any) -> bool:
    """Whether a command says what its event has in the place of a member."""
    said = getattr(data, name)
    if name == "parts":
        text = data.text if isinstance(data, PostMessage) else None
        said = (TextPart(text=text),) if text is not None else said
        return not said or recorded[-len(said) :] == said  # behind what was streamed
    if said is None and name in _WORKED_OUT.get(data.do, ()):
        return True
    if isinstance(data, PatchState) and name == "patch":
        return [each.plain() for each in data.patch] == list(recorded)
    if isinstance(data, FailTask) and name == "retryable":
        return said or not recorded  # or it was the last attempt
    if isinstance(data, MoveFloor) and said is not None:
        return recorded is not None and set(said) == set(recorded)
    if isinstance(said, ProducerNumber) and recorded is not None:
        return bool(said.number == recorded.number)
    return bool(said == recorded) or (said is False and recorded is None)


def _same_audience(command: Command, event: Event) -> bool:
    """Whether the event is for whom the command said. Those whom it concerns may have been added, and what an agent
    without the floor said is for the team only."""
    if "audience" not in command.data.model_fields_set or command.actor.kind == "agent":
        return True
    said, kept = getattr(command.data, "audience", None), event.audience
    if said is None or kept is None:
        return said == kept or bool({USERS, AGENTS} & {*(said or ())})
    return {*said} <= {*kept}
