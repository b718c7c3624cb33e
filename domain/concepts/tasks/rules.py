"""Who may do what with which task."""

from datetime import timedelta
from typing import Any

from ...audience import sees
from ...errors import Conflict, Fenced, Forbidden, NoChange, NotFound
from ...ids import TaskId, Version
from ...model import Actor, Command, Decision, EventData, Fact, Repeat
from ..open_work import refuse_more
from ..reports import Metadata, Usage, refuse_large
from .board import Task, Tasks
from .commands import (
    CancelTask,
    ClaimTask,
    CompleteTask,
    CreateTask,
    ExpireLease,
    FailTask,
    HolderCommand,
    ProgressTask,
    ReadyTask,
    ReleaseTask,
    RerouteTask,
    TimeOutTask,
    UnassignTask,
)
from .events import (
    Failure,
    Release,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReady,
    TaskReleased,
)
from .timers import timers

DEAD = ("failed", "cancelled")
"""How a task may end that others need, and that will not be completed."""


def decide(tasks: Tasks, command: Command) -> Decision:
    """Apply the rules to one command."""
    refuse_large(command.data)
    match command.data:
        case CreateTask() as data:
            return _create(tasks, command, data)
        case ClaimTask() as data:
            return _claim(tasks, command, data)
        case HolderCommand() as data:
            stale = fence(tasks, command, data.task, data.attempt)
            return stale or _decided(_of_holder(tasks.known[data.task], data), under=True)
        case RerouteTask() as data:
            return _reroute(tasks, command, data)
        case CancelTask() as data:
            task = _unfinished(tasks, command.actor, data.task)
            return _decided(TaskCancelled(task=task.id, attempt=_running(task), reason=data.reason))
        case ExpireLease() as data:
            task = _known(tasks, command.actor, data.task)
            if task.status != "claimed" or task.attempt != data.attempt:
                raise NoChange(f"Attempt {data.attempt} of task {task.id!r} is over.")
            reason = f"Nothing came from {task.owner} for {task.lease:g} seconds."
            return _decided(given_back(task, "lease", reason))
        case ReadyTask() | UnassignTask() | TimeOutTask() as data:
            return _fallen_due(tasks, command, data)
    raise NotImplementedError(command.data.do)


def fence(tasks: Tasks, command: Command, id: TaskId, attempt: int) -> Decision | None:
    """None while the command's actor holds this attempt; otherwise the refusal, which is recorded the first time that
    a former holder meets it. Raises Fenced, and NotFound."""
    task = _known(tasks, command.actor, id)
    actor = command.actor.id
    if task.status == "claimed" and task.attempt == attempt and task.owner == actor:
        return None
    refusal = Fenced(_why(task, attempt), task=id, attempt=task.attempt, status_now=task.status, owner=task.owner)
    held = attempt <= task.attempt and task.owners[attempt - 1] == actor
    if not held or attempt in task.fenced:
        raise refusal
    return Decision((Fact(TaskFenced(task=id, attempt=attempt, do=command.data.do)),), refusal=refusal)


def _why(task: Task, attempt: int) -> str:
    if attempt > task.attempt:
        return f"Nobody has made attempt {attempt} of task {task.id!r}; claim it first."
    if task.status == "claimed":
        return (
            f"Task {task.id!r} is held by {task.owner!r}, by attempt {task.attempt}; stop working on attempt {attempt}."
        )
    return f"Attempt {attempt} of task {task.id!r} is over, and the task is {task.status}; stop working on it."


def given_back(
    task: Task, why: Release, reason: str | None, *, usage: Usage | None = None, metadata: Metadata | None = None
) -> TaskReleased | TaskFailed:
    """The end of an attempt that came to nothing: the task is back on the board, for its assignee if it has one; or it
    has failed, when that was the last attempt."""
    more: dict[str, Any] = {"task": task.id, "attempt": task.attempt, "usage": usage, "metadata": metadata}
    if task.last_try:
        error = f"Attempt {task.tries} of {task.policy.max_attempts} came to nothing: {reason or why}"
        return TaskFailed(error=error[:2_000], why="attempts", **more)
    return TaskReleased(why=why, assignee=task.assignee, reason=reason, **more)


def _fallen_due(tasks: Tasks, command: Command, data: ReadyTask | UnassignTask | TimeOutTask) -> Decision:
    task = _known(tasks, command.actor, data.task)
    due = {each.data: each.when for each in timers(tasks, task)}.get(data)
    if due is None or command.time < due:
        raise NoChange(f"Nothing is due for task {task.id!r}.")
    match data:
        case ReadyTask():
            return _decided(TaskReady(task=task.id))
        case TimeOutTask():
            error = "It was not finished by its deadline."
            return _decided(TaskFailed(task=task.id, attempt=_running(task), error=error, why="deadline"))
    reason = f"{task.assignee} did not claim it in {task.policy.assignee_timeout:g} seconds."
    return _decided(TaskReleased(task=task.id, why="assignee-timeout", reason=reason))


def _create(tasks: Tasks, command: Command, data: CreateTask) -> Decision:
    first = tasks.keys.get(data.dedupe_key) if data.dedupe_key else None
    if first is not None and tasks.known[first].status not in DEAD:
        if not sees(command.actor, tasks.known[first].audience):
            raise Conflict("Another task has this `dedupe_key`, which is not for you; choose another key.")
        return Decision((), repeat=Repeat(f"task:{first}", _before(tasks.known[first])))
    if data.task in tasks.known:
        raise Conflict(
            f"Task {data.task!r} exists already. To create a task once, however often it is asked for, give it a "
            f"`dedupe_key`: the answer to a repeat is the first one's. For another task choose another id."
        )
    refuse_more(len(tasks.open) + len(tasks.claimed), "unfinished tasks")
    others = (*data.needs, *([data.parent] if data.parent else ()))
    for other in others:
        _known(tasks, command.actor, other)
    if data.parent and tasks.known[data.parent].status == "cancelled":
        raise Conflict(f"Task {data.parent!r} is cancelled; nothing becomes a part of it.", status_now="cancelled")
    members = {name: getattr(data, name) for name in CreateTask.model_fields if name not in ("within", "audience")}
    deadline = None if data.within is None else command.time + timedelta(seconds=data.within)
    created = TaskCreated(**members, deadline=deadline)
    return Decision(
        (Fact(created, data.audience),), (created.subject(), *created.also(), *(f"task:{other}" for other in others))
    )


def _claim(tasks: Tasks, command: Command, data: ClaimTask) -> Decision:
    task = _unfinished(tasks, command.actor, data.task)
    if task.status == "claimed":
        raise Conflict(
            f"Task {task.id!r} is held by {task.owner!r}, by attempt {task.attempt}.",
            owner=task.owner,
            attempt=task.attempt,
        )
    if task.assignee not in (None, command.actor.id):
        raise Forbidden(f"Task {task.id!r} is for {task.assignee!r} to do; reroute it first.", assignee=task.assignee)
    missing = tasks.missing(task)
    if missing:
        raise Conflict(f"Task {task.id!r} needs {', '.join(missing[:5])} first.", needs=missing)
    if task.not_before is not None and command.time < task.not_before:
        until = task.not_before.isoformat()
        raise Conflict(f"Task {task.id!r} rests until {until}, after attempt {task.attempt}.", not_before=until)
    claimed = TaskClaimed(task=task.id, attempt=task.attempt + 1, lease=data.lease, run=command.run)
    return Decision((Fact(claimed, task=task.id),), tuple(f"task:{id}" for id in (task.id, *task.needs)))


def _of_holder(task: Task, data: HolderCommand) -> EventData:
    claim: dict[str, Any] = {"task": data.task, "attempt": data.attempt}
    match data:
        case ProgressTask():
            return TaskProgressed(**claim, note=data.note, share=data.share, usage=data.usage)
        case CompleteTask():
            return TaskCompleted(**claim, output=data.output, usage=data.usage, metadata=data.metadata)
        case FailTask():
            again = data.retryable and not task.last_try
            why: Failure | None = "attempts" if data.retryable and not again else None
            more: dict[str, Any] = {"usage": data.usage, "metadata": data.metadata}
            return TaskFailed(**claim, error=data.error, retryable=again, why=why, **more)
        case ReleaseTask():
            return given_back(task, "given-up", data.reason, usage=data.usage, metadata=data.metadata)
    raise NotImplementedError(data.do)


def _reroute(tasks: Tasks, command: Command, data: RerouteTask) -> Decision:
    task = _unfinished(tasks, command.actor, data.task)
    same = data.input is None and data.to == task.assignee and data.needs in (None, task.needs)
    if task.status == "open" and same:
        raise NoChange(f"Nobody holds task {task.id!r}, and it is so already.")
    waits_for = _waits_for(tasks, command.actor, task, data.needs or ())
    released = TaskReleased(
        task=task.id,
        attempt=_running(task),
        why="rerouted",
        assignee=data.to,
        input=data.input,
        needs=data.needs,
        reason=data.reason,
    )
    return Decision((Fact(released),), (released.subject(), *(f"task:{each}" for each in waits_for)))


def _waits_for(tasks: Tasks, actor: Actor, task: Task, needs: tuple[TaskId, ...]) -> list[TaskId]:
    """What is to be done before a task, if it needs these: they, and what they need that is not over. Raises Conflict
    when that would never come to be."""
    for need in needs:
        if (status := _known(tasks, actor, need).status) in DEAD:
            raise Conflict(f"Task {need!r} is {status}; let {task.id!r} need another one.", status_now=status)
    found: dict[TaskId, None] = {}
    left = list(needs)
    while left:
        need = left.pop()
        if need == task.id:
            raise Conflict(f"What task {task.id!r} would need waits for {task.id!r} itself.")
        if need not in found:
            found[need] = None
            left += tasks.known[need].needs if tasks.known[need].unfinished else ()
    return list(found)


def _decided(data: EventData, *, under: bool = False) -> Decision:
    task = data.subject().removeprefix("task:") if under else None
    return Decision((Fact(data, task=task),), (data.subject(),))


def _known(tasks: Tasks, actor: Actor, id: TaskId) -> Task:
    task = tasks.known.get(id)
    if task is None or not sees(actor, task.audience):
        raise NotFound(f"There is no task {id!r}; create it first.")
    return task


def _unfinished(tasks: Tasks, actor: Actor, id: TaskId) -> Task:
    task = _known(tasks, actor, id)
    if not task.unfinished:
        raise Conflict(f"Task {id!r} is {task.status}; create another.", status_now=task.status)
    return task


def _running(task: Task) -> int | None:
    return task.attempt if task.status == "claimed" else None


def _before(task: Task) -> Version:
    return Version(task.since - 1)
