"""What signals are aimed at: whom they concern, and what of the work ends with them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import TypeVar

from pydantic import JsonValue

from .audience import sees
from .concepts.approvals import ApprovalWithdrawn
from .concepts.messages import aborted
from .concepts.signals import STOPS, RaiseSignal
from .concepts.tasks import Task, TaskCancelled, TaskReleased
from .concepts.tools import abandoned
from .errors import Conflict, NotFound
from .ids import ParticipantId, TaskId
from .model import TIMEKEEPER, Actor, EventData, Fact
from .state import State

_Begun = TypeVar("_Begun")


def addressees(state: State, actor: Actor, data: RaiseSignal) -> tuple[ParticipantId, ...]:
    """Whom a signal concerns: the agent, the task's holder, the message's author, or all who work in the session.
    Raises NotFound and Conflict when there is nothing to aim at. What is being streamed anyone may stop who
    names it."""
    kind, _, id = data.target.partition(":")
    match kind:
        case "agent":
            return _agent(state, id)
        case "task":
            return _holder(state, actor, id)
        case "message":
            return _author(state, id)
    found = _at_work(state)
    lifts = data.kind == "resume" and state.signals.paused
    if not found and data.kind not in STOPS and not lifts:
        raise Conflict("Nobody works in this session who could hear it.")
    return found


def _agent(state: State, id: ParticipantId) -> tuple[ParticipantId, ...]:
    """An agent or a service, here or yet to come. What a signal can stop must be able to honour it."""
    if id == TIMEKEEPER.id:
        raise Conflict(
            f"{id!r} is the gateway itself and is not interrupted; aim at the session, an agent, a task or a message."
        )
    if _is_user(state, id):
        raise Conflict(
            f"{id!r} is a person, and people are not interrupted; aim at the task or message that is to end, or write "
            f"to them."
        )
    return (id,)


def _holder(state: State, actor: Actor, id: TaskId) -> tuple[ParticipantId, ...]:
    task = state.tasks.known.get(id)
    if task is None or not sees(actor, task.audience):
        raise NotFound(f"There is no task {id!r}.")
    if task.status not in ("open", "claimed"):
        raise Conflict(f"Task {id!r} is {task.status} already.", status_now=task.status)
    return (task.owner,) if task.owner else ()


def _author(state: State, id: str) -> tuple[ParticipantId, ...]:
    message = state.messages.known.get(id)
    if message is None:
        raise NotFound(f"There is no message {id!r}.")
    if message.status != "open":
        raise Conflict(f"Message {id!r} is {message.status} already.", status_now=message.status)
    return (message.author,)


def _at_work(state: State) -> tuple[ParticipantId, ...]:
    here = {each.id for each in state.presence.present()}
    writing, holding = state.messages.open.by_owner, state.tasks.held
    return tuple(sorted(each for each in {*here, *writing, *holding} if not _is_user(state, each)))


def _is_user(state: State, id: ParticipantId) -> bool:
    known = state.presence.get(id)
    return known is not None and known.kind == "user"


def cancelled(state: State, target: str, who: tuple[ParticipantId, ...], reason: str) -> Iterator[Fact]:
    """What ends with a cancel that has been honoured, or was not in time, by `who`."""
    kind, _, id = target.partition(":")
    if kind == "task":
        yield from _cancel(state.tasks.known.get(id), reason)
    elif kind == "message":
        if (message := state.messages.known.get(id)) is not None and message.status == "open":
            yield aborted(message, reason)
    else:
        for each in who:
            for task in state.tasks.held_by(each):
                yield from _cancel(task, reason)
            yield from left_open(state, each, reason)


def rerouted(state: State, target: str, to: ParticipantId | None, input: JsonValue, reason: str) -> Iterator[Fact]:
    """What is put back on the board with a reroute."""
    kind, _, id = target.partition(":")
    known = state.tasks.known.get(id)
    tasks = state.tasks.held_by(id) if kind == "agent" else [known] if known else []
    for task in tasks:
        if task.status in ("open", "claimed"):
            attempt = task.attempt if task.owner else None
            yield Fact(
                TaskReleased(task=task.id, attempt=attempt, why="rerouted", assignee=to, input=input, reason=reason)
            )


def steered(state: State, target: str, actor: ParticipantId) -> list[Task]:
    """The unfinished tasks that an instruction is about which `actor` honours: the one that it was aimed at, or whose
    message it was aimed at; of an agent and of the session, all that the actor holds."""
    kind, _, id = target.partition(":")
    if kind == "message":
        id = (message.task or "") if (message := state.messages.known.get(id)) is not None else ""
    elif kind != "task":
        return state.tasks.held_by(actor)
    task = state.tasks.known.get(id)
    return [task] if task is not None and task.unfinished else []


def left_open(
    state: State, participant: ParticipantId | None, reason: str, runs: Callable[[str | None], bool] = lambda run: True
) -> Iterator[Fact]:
    """The ends of what a participant (with `runs`, some runs of it), or with None anyone, has open: messages, tool
    calls, questions."""
    for message in _in_order(state.messages.known, state.messages.open.of(participant)):
        if runs(message.run):
            yield aborted(message, reason)
    for call in _in_order(state.tools.known, state.tools.open.of(participant)):
        if runs(call.run):
            yield abandoned(call, reason)
    for approval in _in_order(state.approvals.known, state.approvals.work.of(participant)):
        if runs(approval.run):
            yield Fact(ApprovalWithdrawn(approval=approval.id, reason=reason))


def run_of(state: State, data: EventData) -> str | None:
    """Which run of its actor an event about a message or a tool call comes from, where that is known."""
    message = state.messages.known.get(getattr(data, "message", None) or "")
    call = state.tools.known.get(getattr(data, "call", None) or "")
    begun = call or message
    return getattr(data, "run", None) if begun is None else begun.run


def under_way(state: State, task: TaskId, reason: str) -> Iterator[Fact]:
    """The ends of what is open under a task."""
    for message in _in_order(state.messages.known, state.messages.open.under(task)):
        yield aborted(message, reason)
    for call in _in_order(state.tools.known, state.tools.open.under(task)):
        yield abandoned(call, reason)
    for approval in _in_order(state.approvals.known, state.approvals.work.under(task)):
        yield Fact(ApprovalWithdrawn(approval=approval.id, reason=reason), task=task)


def _in_order(known: Mapping[str, _Begun], ids: Iterable[str]) -> list[_Begun]:
    """In the order in which they were begun, which is the same in every process that decides it."""
    return sorted(map(known.__getitem__, ids), key=attrgetter("since"))


def _cancel(task: Task | None, reason: str) -> Iterator[Fact]:
    if task is not None and task.status in ("open", "claimed"):
        attempt = task.attempt if task.owner else None
        yield Fact(TaskCancelled(task=task.id, attempt=attempt, reason=reason))
