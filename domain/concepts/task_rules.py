"""The board: who may do what with which task, and when a task is taken back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from ..audience import sees
from ..errors import Conflict, Fenced, Forbidden, NoChange, NotFound
from ..ids import TaskId, Version
from ..model import Actor, Command, Deadline, Decision, Event, EventData, Fact, Repeat, timer_id
from .open_work import indexed, refuse_more, unindexed
from .tasks import (
    EMPTY,
    CancelTask,
    ClaimTask,
    CompleteTask,
    CreateTask,
    ExpireLease,
    FailTask,
    HolderCommand,
    ProgressTask,
    ReleaseTask,
    RerouteTask,
    Task,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReleased,
    Tasks,
)

__all__ = ["EMPTY", "deadlines", "decide", "evolve", "fence", "touched"]  # a concept's module has its EMPTY


def decide(tasks: Tasks, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case CreateTask() as data:
            return _create(tasks, command, data)
        case ClaimTask() as data:
            return _claim(tasks, command, data)
        case HolderCommand() as data:
            stale = fence(tasks, command, data.task, data.attempt)
            return stale or _decided(_of_holder(data), under=True)
        case RerouteTask() as data:
            return _reroute(_unfinished(tasks, command.actor, data.task), data)
        case CancelTask() as data:
            task = _unfinished(tasks, command.actor, data.task)
            return _decided(TaskCancelled(task=task.id, attempt=_running(task), reason=data.reason))
        case ExpireLease() as data:
            task = _known(tasks, command.actor, data.task)
            if task.status != "claimed" or task.attempt != data.attempt:
                raise NoChange(f"Attempt {data.attempt} of task {task.id!r} is over.")
            reason = f"Nothing came from {task.owner} for {task.lease:g} seconds."
            return _decided(TaskReleased(task=task.id, attempt=task.attempt, why="lease", reason=reason))
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


def _create(tasks: Tasks, command: Command, data: CreateTask) -> Decision:
    first = tasks.keys.get(data.dedupe_key) if data.dedupe_key else None
    if first is not None and not sees(command.actor, tasks.known[first].audience):
        raise Conflict("Another task has this `dedupe_key`, which is not for you; choose another key.")
    if first is not None:
        return Decision((), repeat=Repeat(f"task:{first}", _before(tasks.known[first])))
    if data.task in tasks.known:
        raise Conflict(f"Task {data.task!r} exists already; choose another id.")
    refuse_more(len(tasks.open) + len(tasks.claimed), "unfinished tasks")
    for other in (*data.needs, *([data.parent] if data.parent else ())):
        _known(tasks, command.actor, other)
    members = {name: getattr(data, name) for name in TaskCreated.model_fields}
    created = TaskCreated(**members)
    return Decision((Fact(created, data.audience),), (created.subject(), *created.also()))


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
    missing = [need for need in task.needs if tasks.known[need].status != "completed"]
    if missing:
        seen = [need for need in missing if sees(command.actor, tasks.known[need].audience)]
        what = ", ".join(seen[:5]) or "what is not for you"
        raise Conflict(f"Task {task.id!r} needs {what} first.", needs=seen)
    claimed = TaskClaimed(task=task.id, attempt=task.attempt + 1, lease=data.lease)
    return Decision((Fact(claimed, task=task.id),), tuple(f"task:{id}" for id in (task.id, *task.needs)))


def _of_holder(data: HolderCommand) -> EventData:
    match data:
        case ProgressTask():
            return TaskProgressed(task=data.task, attempt=data.attempt, note=data.note, share=data.share)
        case CompleteTask():
            return TaskCompleted(task=data.task, attempt=data.attempt, output=data.output)
        case FailTask():
            return TaskFailed(task=data.task, attempt=data.attempt, error=data.error, retryable=data.retryable)
        case ReleaseTask():
            return TaskReleased(task=data.task, attempt=data.attempt, why="given-up", reason=data.reason)
    raise NotImplementedError(data.do)


def _reroute(task: Task, data: RerouteTask) -> Decision:
    if task.status == "open" and data.input is None and data.to == task.assignee:
        raise NoChange(f"Nobody holds task {task.id!r}, and it is so already.")
    released = TaskReleased(
        task=task.id, attempt=_running(task), why="rerouted", assignee=data.to, input=data.input, reason=data.reason
    )
    return _decided(released)


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
    if task.status not in ("open", "claimed"):
        raise Conflict(f"Task {id!r} is {task.status}; create another.", status_now=task.status)
    return task


def _running(task: Task) -> int | None:
    return task.attempt if task.status == "claimed" else None


def _before(task: Task) -> Version:
    return Version(task.since - 1)


def evolve(tasks: Tasks, event: Event) -> Tasks:
    """Fold one event."""
    match event.data:
        case TaskCreated() as data:
            return _created(tasks, event, data)
        case TaskClaimed() as data:
            task = tasks.known[data.task]
            owners = (*task.owners, event.actor)
            held = task._replace(status="claimed", owners=owners, lease=data.lease, active=event.time)
            return _with(tasks, held)
        case TaskCompleted() as data:
            return _ended(tasks, data.task, "completed")
        case TaskFailed() as data:
            return _back(tasks, data.task, None) if data.retryable else _ended(tasks, data.task, "failed")
        case TaskCancelled() as data:
            return _ended(tasks, data.task, "cancelled")
        case TaskReleased() as data:
            return _back(tasks, data.task, data)
        case TaskFenced() as data:
            task = tasks.known[data.task]
            return _as_listed(tasks, task._replace(fenced=task.fenced | {data.attempt}))
    return tasks


def touched(tasks: Tasks, event: Event) -> Tasks:
    """Take note that something was done under a task."""
    task = tasks.known.get(event.task or "")
    if task is None or task.owner != event.actor:
        return tasks
    return _as_listed(tasks, task._replace(active=event.time))


def _created(tasks: Tasks, event: Event, data: TaskCreated) -> Tasks:
    task = Task(
        data.task,
        data.title,
        data.input,
        data.parent,
        data.needs,
        data.assignee,
        event.actor,
        data.stall_after,
        event.version,
        event.time,
        event.audience,
    )
    keys = tasks.keys if data.dedupe_key is None else tasks.keys.set(data.dedupe_key, task.id)
    return _with(tasks._replace(keys=keys), task)


def _with(tasks: Tasks, task: Task) -> Tasks:
    """With a task as it is now, listed where its status, holder and parent put it."""
    before, id = tasks.known.get(task.id), task.id
    known, _, claimed, held, open, parts = tasks
    if before is not None and before.owner is not None:
        claimed, held = claimed.delete(id), unindexed(held, before.owner, id)
    if task.owner is not None:
        claimed, held = claimed.set(id, None), indexed(held, task.owner, id)
    if task.status == "open":
        open = open.set(id, None)
    elif id in open:
        open = open.delete(id)
    list_part = indexed if task.status in ("open", "claimed") else unindexed
    parts = list_part(parts, task.parent, id)
    return tasks._replace(known=known.set(id, task), claimed=claimed, held=held, open=open, parts=parts)


def _as_listed(tasks: Tasks, task: Task) -> Tasks:
    """The same where neither status, holder nor parent has changed."""
    return tasks._replace(known=tasks.known.set(task.id, task))


def _ended(tasks: Tasks, id: TaskId, status: Literal["completed", "failed", "cancelled"]) -> Tasks:
    """What was to be done stands in the log; a session keeps in mind only what is to be done yet."""
    return _with(tasks, tasks.known[id]._replace(status=status, input=None))


def _back(tasks: Tasks, id: TaskId, released: TaskReleased | None) -> Tasks:
    task = tasks.known[id]._replace(status="open")
    if released is not None:
        task = task._replace(assignee=released.assignee)
        if released.input is not None:
            task = task._replace(input=released.input)
    return _with(tasks, task)


def deadlines(tasks: Tasks) -> Iterator[Deadline]:
    """When the leases of claimed tasks run out, if nothing comes from their holders."""
    for id in tasks.claimed:
        task = tasks.known[id]
        when = task.active + timedelta(seconds=task.lease)
        expire = ExpireLease(task=id, attempt=task.attempt)
        yield Deadline(when, timer_id("lease", id, task.attempt), expire, task.owner, task.lease)
