"""What is recorded of tasks."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from ...ids import Name, ParticipantId, SignalId, TaskId
from ...model import Attempt, EventData, Reason
from ...timestamps import Time
from ..reports import Metadata, Usage
from .spec import Lease, Needs, TaskSpec

Note = Annotated[str, StringConstraints(max_length=2_000)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Release = Literal["given-up", "left", "lost", "lease", "stalled", "rerouted", "assignee-timeout"]
Failure = Literal["attempts", "deadline", "need"]
LEASE = 60.0


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
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""


class TaskCompleted(_TaskEvent):
    """The work is done."""

    type = "task.completed"
    attempt: Attempt
    """The holder's claim."""
    output: JsonValue = None
    """What came of it."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


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
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


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
    needs: Needs | None = None
    """What it needs now; absent: the same."""
    reason: Reason | None = None
    """For people."""
    usage: Usage | None = None
    """The application's own: tokens, cost, since the last report."""
    metadata: Metadata | None = None
    """The application's own."""


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
