"""Tasks: units of work that exactly one participant holds at a time.

    created → claimed → completed | failed | cancelled
       ↑         ↓
       └─ released, or failed and retryable: back on the board

Each claim gets the next `attempt`. It is the fencing token: everything that is done under a task names it, and once the
attempt is over, whatever names it is refused (`board` holds the rules).
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import Field, JsonValue, Strict, StringConstraints

from ..audience import Audience
from ..ids import Name, ParticipantId, TaskId, Version
from ..model import DAY, Attempt, CommandData, EventData, Reason
from .open_work import Index

Title = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Note = Annotated[str, StringConstraints(max_length=2_000)]
Needs = Annotated[tuple[TaskId, ...], Field(max_length=64)]
Lease = Annotated[float, Field(ge=1, le=DAY, strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Release = Literal["given-up", "left", "lost", "lease", "rerouted"]

LEASE = 60.0
STALL_AFTER = 120.0


class _TaskEvent(EventData):
    task: TaskId
    """Which task."""

    def subject(self) -> str:
        return f"task:{self.task}"


class TaskCreated(_TaskEvent):
    """A task is on the board."""

    type = "task.created"
    title: Title
    """What is to be done, for people."""
    input: JsonValue = None
    """What is to be done, for whoever claims it."""
    parent: TaskId | None = None
    """The task that it is a part of."""
    needs: Needs = ()
    """Tasks that must be completed before it can be claimed."""
    dedupe_key: Name | None = None
    """What it was created for: no other task of the session has the same."""
    assignee: ParticipantId | None = None
    """Who alone may claim it."""
    stall_after: Lease = STALL_AFTER
    """Seconds in which its holder must show something."""

    def also(self) -> tuple[str, ...]:
        return (f"dedupe:{self.dedupe_key}",) if self.dedupe_key else ()


class TaskClaimed(_TaskEvent):
    """The actor holds the task from now on."""

    type = "task.claimed"
    attempt: Attempt
    """Which claim it is: the fencing token."""
    lease: Lease = LEASE
    """Seconds of silence after which it is taken back."""


class TaskProgressed(_TaskEvent):
    """The holder says how far it is."""

    type = "task.progressed"
    attempt: Attempt
    """The holder's claim."""
    note: Note | None = None
    """For people."""
    share: Share | None = None
    """How much is done, from 0 to 1."""


class TaskCompleted(_TaskEvent):
    """The work is done."""

    type = "task.completed"
    attempt: Attempt
    """The holder's claim."""
    output: JsonValue = None
    """What came of it."""


class TaskFailed(_TaskEvent):
    """The holder could not do it. If it can be retried, it is back on the board."""

    type = "task.failed"
    attempt: Attempt
    """The holder's claim."""
    error: Reason
    """Why."""
    retryable: bool = False
    """Whether it may be claimed again."""


class TaskReleased(_TaskEvent):
    """The task is back on the board: its holder gave it up or was lost, or it was taken away."""

    type = "task.released"
    attempt: Attempt | None = None
    """The claim that is over; absent when nobody held it."""
    why: Release
    """`given-up` by its holder, who `left` or was `lost`; the `lease` ran out; it was `rerouted`."""
    assignee: ParticipantId | None = None
    """Who alone may claim it now."""
    input: JsonValue = None
    """What is to be done now; absent: the same."""
    reason: Reason | None = None
    """For people."""


class TaskCancelled(_TaskEvent):
    """Nobody is to do it any more."""

    type = "task.cancelled"
    attempt: Attempt | None = None
    """The claim that is over; absent when nobody held it."""
    reason: Reason | None = None
    """For people."""


class TaskFenced(EventData):
    """The actor, who had held the task, went on as if it still did, and was refused. Recorded once for each claim."""

    type = "task.fenced"
    task: TaskId
    """Which task."""
    attempt: Attempt
    """The claim that is over."""
    do: str
    """The command that was refused."""

    def subject(self) -> str:
        return f"fence:{self.task}"


class _TaskCommand(CommandData):
    concept: ClassVar[str] = "tasks"
    task: TaskId
    """Which task."""


class CreateTask(_TaskCommand):
    """Put a task on the board. With a `dedupe_key` that another task of the session has, that one's creation is the
    answer."""

    do = "task.create"
    task: TaskId
    """The task's id: minted by the creator, unique in the session."""
    title: Title
    """What is to be done, for people."""
    input: JsonValue = None
    """What is to be done, for whoever claims it."""
    parent: TaskId | None = None
    """The task that it is a part of."""
    needs: Needs = ()
    """Tasks that must be completed before it can be claimed."""
    dedupe_key: Name | None = None
    """What it is created for: makes a second creation return the first."""
    assignee: ParticipantId | None = None
    """Who alone may claim it; absent: anyone."""
    stall_after: Lease = STALL_AFTER
    """Seconds in which its holder must show something, or is taken for stalled."""
    audience: Audience | None = None
    """Who may see the task and all that becomes of it, besides you and the assignee; absent: those who may see its
    parent, or else the task under which it is created, or else everyone. For all others there is no such task."""


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


class CompleteTask(HolderCommand):
    """Say that the work is done."""

    do = "task.complete"
    output: JsonValue = None
    """What came of it."""


class FailTask(HolderCommand):
    """Say that you cannot do it."""

    do = "task.fail"
    error: Reason
    """Why."""
    retryable: Annotated[bool, Strict()] = False
    """Whether it may be claimed again."""


class ReleaseTask(HolderCommand):
    """Give the task back for others to do."""

    do = "task.release"
    reason: Reason | None = None
    """For people."""


class RerouteTask(_TaskCommand):
    """Take a task from whoever holds it, at once, and put it back on the board for `to`, or for anyone."""

    do = "task.reroute"
    to: ParticipantId | None = None
    """Who alone may claim it now; absent: anyone."""
    input: JsonValue = None
    """What is to be done now; absent: the same."""
    reason: Reason | None = None
    """For people."""


class CancelTask(_TaskCommand):
    """End a task and its parts, at once, whoever holds them. (The signal `cancel` leaves time to stop in order.)"""

    do = "task.cancel"
    reason: Reason | None = None
    """For people."""


class ExpireLease(_TaskCommand):
    """Take a task back from a holder who was silent for the lease. Done by the gateway's clock."""

    do = "task.expire"
    attempt: Attempt
    """The claim."""


class Task(NamedTuple):
    """A task as it stands. `owners` are the holders of all attempts in order; `fenced` the attempts whose refusal was
    recorded; `active` is when its holder last did something under it; `since` the version that created it; `audience`
    is who may see it and all that becomes of it."""

    id: TaskId
    title: str
    input: JsonValue
    parent: TaskId | None
    needs: tuple[TaskId, ...]
    assignee: ParticipantId | None
    creator: ParticipantId
    stall_after: float
    since: Version
    active: datetime
    audience: tuple[str, ...] | None = None
    status: Literal["open", "claimed", "completed", "failed", "cancelled"] = "open"
    lease: float = LEASE
    owners: tuple[ParticipantId, ...] = ()
    fenced: frozenset[int] = frozenset()

    @property
    def attempt(self) -> int:
        """The latest claim; 0 before the first."""
        return len(self.owners)

    @property
    def owner(self) -> ParticipantId | None:
        """Who holds it now."""
        return self.owners[-1] if self.status == "claimed" else None


class Tasks(NamedTuple):
    """All tasks; by their `dedupe_key`; those that somebody holds, and by their holders; those on the board; and the
    unfinished parts of each."""

    known: Map[TaskId, Task] = Map()
    keys: Map[str, TaskId] = Map()
    claimed: Map[TaskId, None] = Map()
    held: Index = Map()
    open: Map[TaskId, None] = Map()
    parts: Index = Map()

    def held_by(self, participant: ParticipantId) -> list[Task]:
        """The tasks that the participant holds, in the order of their creation."""
        return self._in_order(self.held.get(participant, ()))

    def on_board(self) -> list[Task]:
        """The tasks that nobody holds and that are to be done, in the order of their creation."""
        return self._in_order(self.open)

    def unfinished_parts(self, parent: TaskId) -> list[Task]:
        """The parts of a task that are not over, in the order of their creation."""
        return self._in_order(self.parts.get(parent, ()))

    def _in_order(self, ids: Iterable[TaskId]) -> list[Task]:
        return sorted(map(self.known.__getitem__, ids), key=_since)


_since = attrgetter("since")


EMPTY = Tasks()
