"""When the holder of a task last showed that it is at work on it: the clock by which `stalls` judges."""

from ..ids import TaskId
from ..model import Event
from .tasks import Tasks

EVIDENCE = ("message.", "tool.")
"""Events which show that their actor is at work, whether or not they name a task: on all that it holds, if none."""


def touched(tasks: Tasks, event: Event) -> Tasks:
    """Take note that something was done under a task."""
    task = tasks.known.get(event.task or "")
    if task is None or task.owner != event.actor:
        return tasks
    return tasks._replace(known=tasks.known.set(task.id, task._replace(active=event.time)))


def touched_all(tasks: Tasks, event: Event, run: str | None) -> Tasks:
    """Take note that the holder of tasks, or this run of it, does something, and does not say under which."""
    for task in tasks.held_by(event.actor):
        if run in (None, task.run):
            tasks = tasks._replace(known=tasks.known.set(task.id, task._replace(active=event.time)))
    return tasks


def recovered(tasks: Tasks, event: Event, id: TaskId) -> Tasks:
    """The clock of a task starts again when its holder has recovered."""
    task = tasks.known.get(id)
    return tasks if task is None else tasks._replace(known=tasks.known.set(task.id, task._replace(active=event.time)))
