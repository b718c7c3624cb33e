"""What is asked for about tasks, and what the gateway's clock does."""

from typing import Annotated, ClassVar

from pydantic import JsonValue, Strict

from ...audience import Audience
from ...ids import ParticipantId, TaskId
from ...model import Attempt, CommandData, Reason
from ..reports import Metadata, Usage
from .events import LEASE, Note, Share
from .spec import Lease, Needs, TaskSpec, Within


class _TaskCommand(CommandData):
    concept: ClassVar[str] = "tasks"
    task: TaskId
    """Which task."""


class CreateTask(TaskSpec, _TaskCommand):
    """Put a task on the board. With a `dedupe_key` that another task of the session has, that one's creation is the
    answer, unless that task has failed or was cancelled."""

    do = "task.create"
    task: TaskId
    """The task's id: minted by the creator, unique in the session."""
    within: Within | None = None
    """Seconds in which it must be finished, or it fails; absent: no limit."""
    audience: Audience | None = None
    """Who may see the task and all about it, besides you and the assignee; absent: who sees its parent."""


class ClaimTask(_TaskCommand):
    """Take a task. Of two at once one gets it; the other is refused with `conflict`, and told who."""

    do = "task.claim"
    lease: Lease = LEASE
    """Seconds of silence after which it is taken back; everything that comes from you counts, heartbeats too."""


class HolderCommand(_TaskCommand):
    """What only the task's holder may do."""

    attempt: Attempt
    """Your claim."""


class ProgressTask(HolderCommand):
    """Say how far you are."""

    do = "task.progress"
    note: Note | None = None
    """For people."""
    share: Share | None = None
    """How much is done, from 0 to 1."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""


class CompleteTask(HolderCommand):
    """Say that the work is done."""

    do = "task.complete"
    output: JsonValue = None
    """What came of it."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


class FailTask(HolderCommand):
    """Say that you cannot do it."""

    do = "task.fail"
    error: Reason
    """Why."""
    retryable: Annotated[bool, Strict()] = False
    """Whether it may be claimed again."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


class ReleaseTask(HolderCommand):
    """Give the task back for others to do."""

    do = "task.release"
    reason: Reason | None = None
    """For people."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


class RerouteTask(_TaskCommand):
    """Take a task from its holder, at once, and put it back on the board: for `to`, or for anyone; as it was, with
    another `input`, or needing others. A task that is blocked goes on when it needs others."""

    do = "task.reroute"
    to: ParticipantId | None = None
    """Who alone may claim it now; absent: anyone."""
    input: JsonValue = None
    """What is to be done now; absent: the same."""
    needs: Needs | None = None
    """What must be completed before it can be claimed; absent: the same. None of it has failed or was cancelled."""
    reason: Reason | None = None
    """For people."""


class CancelTask(_TaskCommand):
    """End a task and its parts, at once, also where somebody holds them. (The signal `cancel` leaves time to stop in
    order.)"""

    do = "task.cancel"
    reason: Reason | None = None
    """For people."""


class ExpireLease(_TaskCommand):
    """Take a task back from a holder who was silent for the lease. Done by the gateway's clock."""

    do = "task.expire"
    attempt: Attempt
    """The claim."""


class ReadyTask(_TaskCommand):
    """End a task's backoff. Done by the gateway's clock."""

    do = "task.ready"
    attempt: Attempt
    """The claim after which it rested."""


class UnassignTask(_TaskCommand):
    """Let anyone claim a task that its assignee did not claim in time. Done by the gateway's clock."""

    do = "task.unassign"


class TimeOutTask(_TaskCommand):
    """Fail a task that was not finished by its deadline. Done by the gateway's clock."""

    do = "task.timeout"
