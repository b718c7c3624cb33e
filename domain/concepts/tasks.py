"""Tasks: units of work that exactly one participant holds at a time.

    created → claimed → completed | failed | cancelled
       ↑         ↓
       └─ released, or failed and retryable: back on the board

Each claim gets the next `attempt`. It is the fencing token: everything that is done under a task names it, and once the
attempt is over, whatever names it is refused (`task_rules.fence`).
"""

from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import Annotated, ClassVar, Literal, NamedTuple

from immutables import Map
from pydantic import Field, JsonValue, Strict, StringConstraints

from ..audience import Audience
from ..ids import Name, ParticipantId, SignalId, TaskId, Version
from ..model import Attempt, CommandData, EventData, Reason
from ..timestamps import Time
from .open_work import Index
from .task_spec import Lease, OnNeedFailed, OnStall, TaskSpec, Within

Note = Annotated[str, StringConstraints(max_length=2_000)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Release = Literal["given-up", "left", "lost", "lease", "stalled", "rerouted", "assignee-timeout"]
Failure = Literal["attempts", "deadline", "need"]

LEASE = 60.0
MAX_STEERS = 32
"""How many honoured instructions a task keeps: the last ones."""


class _TaskEvent(EventData):
    task: TaskId
    """Which task."""

    def subject(self) -> str:
        return f"task:{self.task}"


class TaskCreated(TaskSpec, _TaskEvent):
    """A task is on the board."""

    type = "task.created"
    deadline: Time | None = None
    """When it fails if it is not finished."""

    def also(self) -> tuple[str, ...]:
        return (f"dedupe:{self.dedupe_key}",) if self.dedupe_key else ()


class TaskClaimed(_TaskEvent):
    """The actor holds the task from now on."""

    type = "task.claimed"
    attempt: Attempt
    """Which claim it is: the fencing token."""
    lease: Lease = LEASE
    """Seconds of silence after which it is taken back."""
    run: Name | None = None
    """Which run of the actor holds it, where that has a name."""


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
    """It could not be done. If it can be retried, it is back on the board."""

    type = "task.failed"
    attempt: Attempt | None = None
    """The claim that is over; absent when nobody held it."""
    error: Reason
    """Why, for people."""
    retryable: bool = False
    """Whether it may be claimed again."""
    why: Failure | None = None
    """`attempts`: none is left; its `deadline` is over; what it `need`s has failed. Absent: its holder said so."""


class TaskReleased(_TaskEvent):
    """The task is back on the board: its holder gave it up or was lost, or it was taken away."""

    type = "task.released"
    attempt: Attempt | None = None
    """The claim that is over; absent when nobody held it."""
    why: Release
    """`given-up` by its holder, who `left`, was `lost` or has `stalled`; the `lease` ran out; it was `rerouted`; the
    assignee did not claim it (`assignee-timeout`)."""
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


class TaskBlocked(_TaskEvent):
    """Something that it needs has failed or was cancelled: it cannot be claimed."""

    type = "task.blocked"
    need: TaskId
    """Which task."""


class TaskReady(_TaskEvent):
    """Its backoff is over: it can be claimed again."""

    type = "task.ready"


class TaskSteered(_TaskEvent):
    """An instruction was honoured: it is a part of the task, for later attempts, too."""

    type = "task.steered"
    signal: SignalId
    """The signal that brought it."""
    instruction: JsonValue = None
    """What is to be heeded."""


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


class TaskPolicy(NamedTuple):
    """What is to become of a task when things go wrong, see `TaskSpec`; the same as long as it lives."""

    priority: int = 0
    deadline: datetime | None = None
    assignee_timeout: float | None = None
    max_attempts: int | None = None
    backoff: float | None = None
    backoff_coefficient: float = 2.0
    backoff_max: float = 0.0
    on_need_failed: OnNeedFailed = "block"
    on_stall: OnStall = "tell"


class Task(NamedTuple):
    """A task as it stands. `owners` are the holders of all attempts in order, `runs` which runs of them; `fenced` the
    attempts whose refusal was recorded; `active` is when its holder last did something under it; `since` the version
    that created it.

    `tries` counts the attempts since it was created or last rerouted; `opened` is when it last came up to be claimed,
    `not_before` when its backoff ends; `blocked_by` is the need that has failed, `last_error` why the last attempt
    that was no success ended, `steers` are the instructions that were honoured, `audience` is who may see it."""

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
    status: Literal["open", "claimed", "completed", "failed", "cancelled"] = "open"
    lease: float = LEASE
    owners: tuple[ParticipantId, ...] = ()
    fenced: frozenset[int] = frozenset()
    runs: tuple[str | None, ...] = ()
    policy: TaskPolicy = TaskPolicy()
    opened: datetime = datetime.min
    tries: int = 0
    not_before: datetime | None = None
    blocked_by: TaskId | None = None
    last_error: str | None = None
    steers: tuple[JsonValue, ...] = ()
    audience: tuple[str, ...] | None = None

    @property
    def attempt(self) -> int:
        """The latest claim; 0 before the first."""
        return len(self.owners)

    @property
    def owner(self) -> ParticipantId | None:
        """Who holds it now."""
        return self.owners[-1] if self.status == "claimed" else None

    @property
    def run(self) -> str | None:
        """Which run of that holds it, where it has a name."""
        return self.runs[-1] if self.status == "claimed" else None

    @property
    def unfinished(self) -> bool:
        """Whether there is something to do yet."""
        return self.status in ("open", "claimed")

    @property
    def last_try(self) -> bool:
        """Whether it fails when this attempt comes to nothing."""
        return self.policy.max_attempts is not None and self.tries >= self.policy.max_attempts


class Tasks(NamedTuple):
    """All tasks; by their `dedupe_key`; those that somebody holds, and by their holders; those on the board; the
    unfinished parts of each; the unfinished tasks that need each; and those to which something happens at its time."""

    known: Map[TaskId, Task] = Map()
    keys: Map[str, TaskId] = Map()
    claimed: Map[TaskId, None] = Map()
    held: Index = Map()
    open: Map[TaskId, None] = Map()
    parts: Index = Map()
    dependants: Index = Map()
    timed: Map[TaskId, None] = Map()

    def held_by(self, participant: ParticipantId) -> list[Task]:
        """The tasks that the participant holds, in the order of their creation."""
        return self._in_order(self.held.get(participant, ()))

    def on_board(self) -> list[Task]:
        """The tasks that nobody holds and that are to be done, in the order of their creation."""
        return self._in_order(self.open)

    def unfinished(self) -> list[Task]:
        """All tasks that are not over, in the order of their creation."""
        return self._in_order([*self.open, *self.claimed])

    def unfinished_parts(self, parent: TaskId) -> list[Task]:
        """The parts of a task that are not over, in the order of their creation."""
        return self._in_order(self.parts.get(parent, ()))

    def unfinished_dependants(self, need: TaskId) -> list[Task]:
        """The tasks that are not over and need this one, which is not over either, in the order of their creation."""
        return self._in_order(self.dependants.get(need, ()))

    def _in_order(self, ids: Iterable[TaskId]) -> list[Task]:
        return sorted(map(self.known.__getitem__, ids), key=_since)


_since = attrgetter("since")


EMPTY = Tasks()
