"""When something happens to a task by itself."""

from collections.abc import Iterator
from datetime import timedelta

from ...model import Deadline, instance_of, timer_id
from .board import Task, Tasks
from .commands import ExpireLease, ReadyTask, TimeOutTask, UnassignTask


def deadlines(tasks: Tasks) -> Iterator[Deadline]:
    """When the leases of claimed tasks run out, if nothing comes from their holders; and what has a time of its own."""
    for id in tasks.claimed:
        task = tasks.known[id]
        when = task.active + timedelta(seconds=task.lease)
        expire = ExpireLease(task=id, attempt=task.attempt)
        holder = instance_of(task.owner or "", task.run)
        yield Deadline(when, timer_id("lease", id, task.attempt), expire, holder, task.lease)
    for id in tasks.timed:
        yield from timers(tasks, tasks.known[id])


def timers(tasks: Tasks, task: Task) -> Iterator[Deadline]:
    """When an unfinished task fails, has rested, or is for anyone."""
    id, policy = task.id, task.policy
    if task.unfinished and policy.deadline is not None:
        yield Deadline(policy.deadline, timer_id("deadline", id), TimeOutTask(task=id))
    if task.status != "open":
        return
    if task.not_before is not None:
        yield Deadline(task.not_before, timer_id("ready", id, task.attempt), ReadyTask(task=id, attempt=task.attempt))
    elif task.assignee and policy.assignee_timeout is not None and not tasks.missing(task):
        when = task.opened + timedelta(seconds=policy.assignee_timeout)
        yield Deadline(when, timer_id("unassign", id, task.opened.isoformat()), UnassignTask(task=id))
