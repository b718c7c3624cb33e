"""Stalls: who holds a task and shows nothing for it, though it may well be alive.

The clock of a task runs from the last thing that its holder did under it, or said of itself, and it stands still while
the holder says that it waits for a tool or a human. A heartbeat that names the task counts, too; it is no event, so the
gateway keeps it in mind.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from ..errors import NoChange
from ..ids import ParticipantId, TaskId
from ..model import Attempt, Command, CommandData, Count, Deadline, Decision, decided, timer_id
from .presence import WAITING, Participant, Presence, PresenceRecovered, PresenceStalled
from .task_rules import given_back
from .tasks import Task, Tasks


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
    stalled: Count
    """The version in which it had stalled."""


def decide(presence: Presence, tasks: Tasks, command: Command) -> Decision:
    """Apply the rules to one command."""
    match command.data:
        case StallParticipant() as data:
            task, holder = tasks.known.get(data.task), presence.get(data.participant)
            due = None if task is None or holder is None else _due(task, holder)
            if task is None or due is None or task.attempt != data.attempt or command.time < due:
                raise NoChange(f"{data.participant!r} is not stalled in task {data.task!r}.")
            reason = f"{data.participant} has shown nothing for task {task.id} in {task.stall_after:g} seconds."
            if task.policy.on_stall == "release":
                return decided(given_back(task, "stalled", reason))
            stalled = PresenceStalled(participant=data.participant, task=task.id, after=task.stall_after, reason=reason)
            return decided(stalled)
        case RecoverParticipant() as data:
            known = presence.get(data.participant)
            if known is None or known.stalled is None or known.since != data.stalled:
                raise NoChange(f"{data.participant!r} is not stalled.")
            return decided(recovered(known, "A heartbeat said that the work goes on."))
    raise NotImplementedError(command.data.do)


def recovered(participant: Participant, reason: str) -> PresenceRecovered:
    """The end of a stall."""
    assert participant.stalled is not None
    return PresenceRecovered(participant=participant.id, task=participant.stalled, reason=reason)


def _due(task: Task, holder: Participant) -> datetime | None:
    """When the holder counts as stalled if nothing comes; None when it does not as things stand."""
    if task.policy.on_stall == "nothing":
        return None
    if task.owner != holder.id or not holder.present or holder.stalled is not None:
        return None
    if holder.status in WAITING and holder.until is None:
        return None
    due = max(task.active, holder.at) + timedelta(seconds=task.stall_after)
    return max(due, holder.until) if holder.status in WAITING and holder.until else due


def deadlines(presence: Presence, tasks: Tasks) -> Iterator[Deadline]:
    """When the holders of claimed tasks count as stalled, if they show nothing."""
    for id in tasks.claimed:
        task = tasks.known[id]
        holder = presence.get(task.owner or "")
        due = None if holder is None else _due(task, holder)
        if holder is not None and due is not None:
            stall = StallParticipant(participant=holder.id, task=id, attempt=task.attempt)
            timer = timer_id("stall", id, task.attempt, due.isoformat())
            yield Deadline(due, timer, stall, holder.id, task.stall_after, under=id)
