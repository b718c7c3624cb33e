"""Tasks: claims follow on each other, and only who holds a task goes on with it."""

from ..concepts.tasks import (
    Task,
    TaskCancelled,
    TaskClaimed,
    TaskCompleted,
    TaskCreated,
    TaskFailed,
    TaskFenced,
    TaskProgressed,
    TaskReleased,
)
from ..ids import TaskId
from ..model import Event
from ..state import State


def check_task(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data, known = event.data, state.tasks.known
    if isinstance(data, TaskCreated):
        missing = [each for each in (*data.needs, *([data.parent] if data.parent else ())) if each not in known]
        if missing:
            return f"names task {missing[0]!r}, which there is not"
        return f"names task {data.task!r}, which there is already" if data.task in known else None
    id: TaskId | None = getattr(data, "task", None)
    if id is not None and id not in known:
        return f"names task {id!r}, which there is not"
    return None if id is None else _known(known[id], event)


def _known(task: Task, event: Event) -> str | None:
    match event.data:
        case TaskFenced(attempt=attempt):
            held = attempt <= task.attempt and task.owners[attempt - 1] == event.actor
            return None if held else f"is {event.actor}'s, who never held attempt {attempt} of task {task.id!r}"
        case TaskClaimed() as data:
            return _claim(task, event, data)
        case TaskProgressed(attempt=attempt) | TaskCompleted(attempt=attempt):
            return _of_holder(task, event, attempt)
        case TaskFailed() | TaskReleased() | TaskCancelled() as data:
            return _end(task, event, data)
    return None


def _claim(task: Task, event: Event, data: TaskClaimed) -> str | None:
    if task.status != "open":
        return f"takes task {task.id!r}, which is {task.status}"
    if data.attempt != task.attempt + 1:
        return f"is attempt {data.attempt} of task {task.id!r}, and {task.attempt + 1} is next"
    if task.assignee not in (None, event.actor):
        return f"is {event.actor}'s, and task {task.id!r} is for {task.assignee} to do"
    return None


def _of_holder(task: Task, event: Event, attempt: int) -> str | None:
    if task.status != "claimed" or task.attempt != attempt:
        return f"is of attempt {attempt} of task {task.id!r}, which is {task.status} after attempt {task.attempt}"
    return None if task.owner == event.actor else f"is {event.actor}'s, and {task.owner} holds task {task.id!r}"


def _end(task: Task, event: Event, data: TaskFailed | TaskReleased | TaskCancelled) -> str | None:
    if not task.unfinished:
        return f"ends task {task.id!r}, which is {task.status}"
    running = task.attempt if task.status == "claimed" else None
    if data.attempt != running:
        return f"is of attempt {data.attempt} of task {task.id!r}, which is {task.status} after attempt {task.attempt}"
    by_holder = getattr(data, "why", "cancelled") in (None, "given-up")
    return _of_holder(task, event, data.attempt) if by_holder and data.attempt is not None else None
