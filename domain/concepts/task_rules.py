"""The board: who may do what with which task, and when a task is taken back."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

from ..audience import sees
from ..errors import Conflict, Fenced, Forbidden, NoChange, NotFound
from ..ids import TaskId, Version
from ..model import Actor, Command, Deadline, Decision, Event, EventData, Fact, Repeat, instance_of, timer_id
from .open_work import indexed, refuse_more, unindexed
from .tasks import (
    EMPTY,
    MAX_STEERS,
    CancelTask,
    ClaimTask,
    CompleteTask,
    CreateTask,
    ExpireLease,
    FailTask,
    Failure,
    HolderCommand,
    ProgressTask,
    ReadyTask,
    Release,
    ReleaseTask,
    RerouteTask,
    Task,
    TaskBlocked,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskPolicy,
    TaskProgressed,
    TaskReady,
    TaskReleased,
    Tasks,
    TaskSteered,
    TimeOutTask,
    UnassignTask,
)

DEAD = ("failed", "cancelled")
"""How a task may end that others need, and that will not be completed."""
CAME_TO_NOTHING = " came to nothing: "
"""Stands before the reason why a last attempt was given back, in the error with which its task fails."""
MAX_ERROR_CHARS = 2_000

__all__ = ["DEAD", "EMPTY", "deadlines", "decide", "evolve", "fence", "given_back"]
"""A concept's module has its EMPTY."""


def decide(tasks: Tasks, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case CreateTask() as data:
            return _create(tasks, command, data)
        case ClaimTask() as data:
            return _claim(tasks, command, data)
        case HolderCommand() as data:
            stale = fence(tasks, command, data.task, data.attempt)
            return stale or _decided(_of_holder(tasks.known[data.task], data), under=True)
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


def given_back(task: Task, why: Release, reason: str | None) -> TaskReleased | TaskFailed:
    """The end of an attempt that came to nothing: the task is back on the board, for its assignee if it has one; or it
    has failed, when that was the last attempt."""
    if task.last_try:
        error = f"Attempt {task.tries} of {task.policy.max_attempts}{CAME_TO_NOTHING}{reason or why}"
        return TaskFailed(task=task.id, attempt=task.attempt, error=error[:MAX_ERROR_CHARS], why="attempts")
    return TaskReleased(task=task.id, attempt=task.attempt, why=why, assignee=task.assignee, reason=reason)


def _fallen_due(tasks: Tasks, command: Command, data: ReadyTask | UnassignTask | TimeOutTask) -> Decision:
    task = _known(tasks, command.actor, data.task)
    due = {each.data: each.when for each in _timers(tasks, task)}.get(data)
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
        raise Conflict(f"Task {data.task!r} exists already; choose another id.")
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
    missing = _missing(tasks, task)
    if missing:
        raise Conflict(f"Task {task.id!r} needs {', '.join(missing[:5])} first.", needs=missing)
    if task.not_before is not None and command.time < task.not_before:
        until = task.not_before.isoformat()
        raise Conflict(f"Task {task.id!r} rests until {until}, after attempt {task.attempt}.", not_before=until)
    claimed = TaskClaimed(task=task.id, attempt=task.attempt + 1, lease=data.lease, run=command.run)
    return Decision((Fact(claimed, task=task.id),), tuple(f"task:{id}" for id in (task.id, *task.needs)))


def _missing(tasks: Tasks, task: Task) -> list[TaskId]:
    """What it needs and is not completed."""
    return [need for need in task.needs if tasks.known[need].status != "completed"]


def _of_holder(task: Task, data: HolderCommand) -> EventData:
    match data:
        case ProgressTask():
            return TaskProgressed(task=data.task, attempt=data.attempt, note=data.note, share=data.share)
        case CompleteTask():
            return TaskCompleted(task=data.task, attempt=data.attempt, output=data.output)
        case FailTask():
            again = data.retryable and not task.last_try
            why: Failure | None = "attempts" if data.retryable and not again else None
            return TaskFailed(task=data.task, attempt=data.attempt, error=data.error, retryable=again, why=why)
        case ReleaseTask():
            return given_back(task, "given-up", data.reason)
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
    if not task.unfinished:
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
    dependants = tasks.dependants
    for need in data.needs:
        if tasks.known[need].unfinished:
            dependants = indexed(dependants, need, task.id)
    return _with(tasks._replace(keys=keys, dependants=dependants), task)


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
    dependants = tasks.dependants.delete(id) if id in tasks.dependants else tasks.dependants
    for need in task.needs:
        dependants = unindexed(dependants, need, id)
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


def deadlines(tasks: Tasks) -> Iterator[Deadline]:
    """When the leases of claimed tasks run out, if nothing comes from their holders; and what has a time of its own."""
    for id in tasks.claimed:
        task = tasks.known[id]
        when = task.active + timedelta(seconds=task.lease)
        expire = ExpireLease(task=id, attempt=task.attempt)
        holder = instance_of(task.owner or "", task.run)
        yield Deadline(when, timer_id("lease", id, task.attempt), expire, holder, task.lease)
    for id in tasks.timed:
        yield from _timers(tasks, tasks.known[id])


def _timers(tasks: Tasks, task: Task) -> Iterator[Deadline]:
    """When an unfinished task fails, has rested, or is for anyone."""
    id, policy = task.id, task.policy
    if task.unfinished and policy.deadline is not None:
        yield Deadline(policy.deadline, timer_id("deadline", id), TimeOutTask(task=id))
    if task.status != "open":
        return
    if task.not_before is not None:
        yield Deadline(task.not_before, timer_id("ready", id, task.attempt), ReadyTask(task=id, attempt=task.attempt))
    elif task.assignee and policy.assignee_timeout is not None and not _missing(tasks, task):
        when = task.opened + timedelta(seconds=policy.assignee_timeout)
        yield Deadline(when, timer_id("unassign", id, task.opened.isoformat()), UnassignTask(task=id))
