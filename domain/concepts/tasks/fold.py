"""What becomes of a task by each event."""

from datetime import datetime, timedelta
from typing import Literal

from ...ids import TaskId
from ...model import Event
from ..open_work import Index, indexed, unindexed
from .board import MAX_STEERS, Task, TaskPolicy, Tasks
from .events import (
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskReady,
    TaskReleased,
    TaskSteered,
)


def evolve(tasks: Tasks, event: Event) -> Tasks:
    """Fold one event."""
    match event.data:
        case TaskCreated() as data:
            return _created(tasks, event, data)
        case TaskClaimed() as data:
            return _claimed(tasks, event, data)
        case TaskCompleted() as data:
            return _needed(_ended(tasks, data.task, "completed"), tasks, event, data.task)
        case TaskReleased() | TaskFailed(retryable=True) as data:
            return _back(tasks, event, data)
        case TaskFailed() as data:
            return _ended(tasks, data.task, "failed", data.error)
        case TaskCancelled() as data:
            return _ended(tasks, data.task, "cancelled", tasks.known[data.task].last_error)
        case TaskBlocked() | TaskReady() | TaskSteered() | TaskFenced() as data:
            return _with(tasks, _noted(tasks.known[data.task], event, data))
    return tasks


def _noted(task: Task, event: Event, data: TaskBlocked | TaskReady | TaskSteered | TaskFenced) -> Task:
    match data:
        case TaskFenced():
            return task._replace(fenced=task.fenced | {data.attempt})
        case TaskBlocked() if task.unfinished:
            return task._replace(blocked_by=task.blocked_by or data.need)
        case TaskReady() if task.unfinished:
            return task._replace(not_before=None, opened=event.time)
        case TaskSteered() if task.unfinished:
            return task._replace(steers=(*task.steers, data.instruction)[-MAX_STEERS:])
    return task


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
        policy=TaskPolicy(*[getattr(data, name) for name in TaskPolicy._fields]),
        opened=event.time,
        audience=event.audience,
    )
    keys = tasks.keys if data.dedupe_key is None else tasks.keys.set(data.dedupe_key, task.id)
    dependants = _dependants(tasks, task, data.needs)
    return _with(tasks._replace(keys=keys, dependants=dependants), task)


def _dependants(tasks: Tasks, task: Task, needs: tuple[TaskId, ...]) -> Index:
    """Which unfinished tasks are needed by which, when this one needs these, and not what it needed before."""
    dependants = tasks.dependants
    for need in task.needs:
        dependants = unindexed(dependants, need, task.id)
    for need in needs:
        if tasks.known[need].unfinished:
            dependants = indexed(dependants, need, task.id)
    return dependants


def _claimed(tasks: Tasks, event: Event, data: TaskClaimed) -> Tasks:
    task = tasks.known[data.task]
    held = task._replace(
        status="claimed",
        owners=(*task.owners, event.actor),
        runs=(*task.runs, data.run),
        lease=data.lease,
        active=event.time,
        tries=task.tries + 1,
        not_before=None,
    )
    return _with(tasks, held)


def _needed(tasks: Tasks, before: Tasks, event: Event, id: TaskId) -> Tasks:
    """What has waited for a task that was completed may have come up by it: its assignee's time begins."""
    for dependant in before.dependants.get(id, ()):
        task = tasks.known[dependant]
        if task.status == "open" and task.policy.assignee_timeout is not None:
            tasks = _with(tasks, task._replace(opened=event.time))
    return tasks


def _with(tasks: Tasks, task: Task) -> Tasks:
    """With a task as it is now, listed where its status, holder, parent, needs and times put it."""
    before, id = tasks.known.get(task.id), task.id
    claimed, held, open, timed = tasks.claimed, tasks.held, tasks.open, tasks.timed
    if before is not None and before.owner is not None:
        claimed, held = claimed.delete(id), unindexed(held, before.owner, id)
    if task.owner is not None:
        claimed, held = claimed.set(id, None), indexed(held, task.owner, id)
    if task.status == "open":
        open = open.set(id, None)
    elif id in open:
        open = open.delete(id)
    if _has_time(task):
        timed = timed.set(id, None)
    elif id in timed:
        timed = timed.delete(id)
    parts = (indexed if task.unfinished else unindexed)(tasks.parts, task.parent, id)
    tasks = tasks._replace(claimed=claimed, held=held, open=open, timed=timed, parts=parts)
    return tasks._replace(known=tasks.known.set(id, task))


def _has_time(task: Task) -> bool:
    """Whether anything happens to it at its time, besides the end of its lease."""
    policy = task.policy
    waits = task.status == "open" and (task.not_before or (task.assignee and policy.assignee_timeout))
    return task.unfinished and bool(policy.deadline or waits)


def _ended(
    tasks: Tasks, id: TaskId, status: Literal["completed", "failed", "cancelled"], error: str | None = None
) -> Tasks:
    """What was to be done stands in the log; a session keeps in mind only what is to be done yet."""
    task = tasks.known[id]
    dependants = _dependants(tasks, task, ())
    dependants = dependants.delete(id) if id in dependants else dependants
    ended = task._replace(status=status, input=None, steers=(), not_before=None, blocked_by=None, last_error=error)
    return _with(tasks._replace(dependants=dependants), ended)


def _back(tasks: Tasks, event: Event, data: TaskReleased | TaskFailed) -> Tasks:
    """A task is on the board: as another one after a reroute, and after an attempt without a result once it has
    rested."""
    task = tasks.known[data.task]._replace(status="open", opened=event.time)
    if isinstance(data, TaskReleased):
        task = task._replace(assignee=data.assignee)
        if data.input is not None:
            task = task._replace(input=data.input, steers=())
        if data.needs is not None:
            tasks = tasks._replace(dependants=_dependants(tasks, task, data.needs))
            task = task._replace(needs=data.needs, blocked_by=None)
    if isinstance(data, TaskReleased) and data.why == "rerouted":
        task = task._replace(tries=0, not_before=None)
    elif data.attempt is not None:
        error = data.error if isinstance(data, TaskFailed) else data.reason or data.why
        task = task._replace(last_error=error, not_before=_after_backoff(task, event.time))
    return _with(tasks, task)


def _after_backoff(task: Task, time: datetime) -> datetime | None:
    policy = task.policy
    if policy.backoff is None:
        return None
    seconds = policy.backoff * policy.backoff_coefficient ** min(task.tries - 1, 64)
    return time + timedelta(seconds=min(seconds, policy.backoff_max))
