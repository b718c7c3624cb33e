"""What a task is asked for with: what is to be done, and what is to become of it when things go wrong."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from ...ids import Name, ParticipantId, TaskId
from ...json.explained import Explained
from ...model import DAY, WHOLE
from ..reports import Metadata

Title = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Needs = Annotated[tuple[TaskId, ...], Field(max_length=64)]
Lease = Annotated[float, Field(ge=1, le=DAY, strict=True)]
Within = Annotated[float, Field(gt=0, le=30 * DAY, strict=True)]
Priority = Annotated[int, Field(ge=-1_000, le=1_000, strict=True), WHOLE]
MaxAttempts = Annotated[int, Field(ge=1, le=1_000, strict=True), WHOLE]
OnNeedFailed = Literal["block", "fail"]
OnStall = Literal["tell", "nothing", "release"]
STALL_AFTER = 120.0
BACKOFF_MAX = 3_600.0


class TaskSpec(Explained):
    """The members that a task's creation has as a command and as an event."""

    title: Title
    """What is to be done, for people."""
    input: JsonValue = None
    """What is to be done, for its holder."""
    parent: TaskId | None = None
    """The task that it is a part of."""
    needs: Needs = ()
    """Tasks that must be completed before it can be claimed."""
    dedupe_key: Name | None = None
    """What it is created for: a second creation returns the first, unless that has failed or was cancelled."""
    assignee: ParticipantId | None = None
    """Who alone may claim it, also after it was released or its holder was lost; absent: anyone."""
    assignee_timeout: Within | None = None
    """Seconds in which the assignee must claim it once it can be claimed; then anyone may. Absent: no limit."""
    priority: Priority = 0
    """Agents claim tasks of a higher priority first; of the same priority, the oldest."""
    max_attempts: MaxAttempts | None = None
    """How many attempts may end without a result before the task fails; a reroute starts the count again. Absent: no
    limit."""
    backoff: Within | None = None
    """Seconds in which it cannot be claimed after the first attempt without a result; absent: none."""
    backoff_coefficient: Annotated[float, Field(ge=1, le=100, strict=True)] = 2.0
    """How many times longer the backoff is after each further attempt."""
    backoff_max: Within = BACKOFF_MAX
    """Seconds of backoff at most."""
    on_need_failed: OnNeedFailed = "block"
    """When something that it needs has failed or was cancelled: `block` keeps it on the board and records
    `task.blocked`, `fail` fails it, too."""
    stall_after: Lease = STALL_AFTER
    """Seconds in which its holder must show something, or counts as stalled."""
    on_stall: OnStall = "tell"
    """When its holder has stalled: `tell` records it, `release` puts the task back on the board, `nothing` does
    nothing."""
    metadata: Metadata | None = None
    """The application's own."""
