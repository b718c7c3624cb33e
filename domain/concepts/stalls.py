"""Stalls: who holds a task and shows nothing for it, though it may well be alive.

The clock of a task runs from the last thing that its holder did under it, or said of itself, and it stands still while
the holder says that it waits for a tool or a human, or has a tool call open under the task. What it streams counts for
all that it holds when it names no task. A heartbeat that names the task counts, too; it is no event, so the gateway
keeps it in mind. Who holds several tasks may be stalled in each of them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from ..errors import NoChange
from ..ids import ParticipantId, TaskId
from ..model import Attempt, Command, CommandData, Count, Deadline, Decision, Event, decided, instance_of, timer_id
from .presence import WAITING, Participant, Presence, PresenceRecovered, PresenceStalled
from .tasks import Task, Tasks, given_back
from .tools import Calls

EVIDENCE = ("message.", "tool.")
"""Events which show that their actor is at work, whether or not they name a task: on all that it holds, if none."""


class _StallCommand(CommandData):
    concept: ClassVar[str] = "stalls"
    participant: ParticipantId
    """Who."""


class StallParticipant(_StallCommand):
    """Record that a task's holder shows nothing for it. Done by the gateway's clock."""

    do = "presence.stall"
    task: TaskId
    """The task."""
    attempt: Attempt
    """Its claim."""


class RecoverParticipant(_StallCommand):
    """Record that a stalled participant lives on: a heartbeat said so. Done by the gateway."""

    do = "presence.recover"
    task: TaskId
    """The task that it had stalled in."""
    stalled: Count
    """The version in which it had."""


def decide(presence: Presence, tasks: Tasks, calls: Calls, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case StallParticipant() as data:
            task, holder = tasks.known.get(data.task), presence.get(data.participant)
            due = None if task is None or holder is None else _due(task, holder, calls)
            if task is None or due is None or task.attempt != data.attempt or command.time < due:
                raise NoChange(f"{data.participant!r} is not stalled in task {data.task!r}.")
            reason = f"{data.participant} has shown nothing for task {task.id} in {task.stall_after:g} seconds."
            if task.policy.on_stall == "release":
                return decided(given_back(task, "stalled", reason))
            stalled = PresenceStalled(participant=data.participant, task=task.id, after=task.stall_after, reason=reason)
            return decided(stalled)
        case RecoverParticipant() as data:
            known = presence.get(data.participant)
            if known is None or known.stalled.get(data.task) != data.stalled:
                raise NoChange(f"{data.participant!r} is not stalled in task {data.task!r}.")
            return decided(recovered(known, data.task, "A heartbeat said that the work goes on."))
    raise NotImplementedError(command.data.do)


def recovered(participant: Participant, task: TaskId, reason: str) -> PresenceRecovered:
    """The end of a stall."""
    return PresenceRecovered(participant=participant.id, task=task, reason=reason)


def _due(task: Task, holder: Participant, calls: Calls) -> datetime | None:
    """When the holder counts as stalled if nothing comes; None when it does not as things stand."""
    if task.policy.on_stall == "nothing":
        return None
    if task.owner != holder.id or not holder.present or task.id in holder.stalled:
        return None
    instance = holder.instance(task.run) or next(iter(holder.instances.values()))
    waits = instance.status in WAITING
    if waits and instance.until is None:
        return None
    if any(calls.known[call].caller == holder.id for call in calls.open.under(task.id)):
        return None
    due = max(task.active, instance.at) + timedelta(seconds=task.stall_after)
    return max(due, instance.until) if waits and instance.until else due


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


def clock_restarted(tasks: Tasks, event: Event, id: TaskId) -> Tasks:
    """The clock of a task starts again when its holder has recovered."""
    task = tasks.known.get(id)
    return tasks if task is None else tasks._replace(known=tasks.known.set(task.id, task._replace(active=event.time)))


def deadlines(presence: Presence, tasks: Tasks, calls: Calls) -> Iterator[Deadline]:
    """When the holders of claimed tasks count as stalled, if they show nothing."""
    for id in tasks.claimed:
        task = tasks.known[id]
        holder = presence.get(task.owner or "")
        due = None if holder is None else _due(task, holder, calls)
        if holder is not None and due is not None:
            stall = StallParticipant(participant=holder.id, task=id, attempt=task.attempt)
            timer = timer_id("stall", id, task.attempt, due.isoformat())
            yield Deadline(due, timer, stall, instance_of(holder.id, task.run), task.stall_after, under=id)
