"""What is recorded of presence."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from ...ids import Name, ParticipantId, TaskId
from ...model import EventData, Kind, Reason
from ...timestamps import Time

Status = Literal["idle", "thinking", "working", "waiting-for-tool", "waiting-for-human", "blocked"]
Activity = Annotated[str, StringConstraints(max_length=200)]
Lease = Annotated[float, Field(ge=1, le=3_600, strict=True)]
LEASE = 15.0
DisplayName = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class PresenceEvent(EventData):
    participant: ParticipantId
    """Who."""

    def subject(self) -> str:
        return f"presence:{self.participant}"


class PresenceJoined(PresenceEvent):
    """A participant is here."""

    type = "presence.joined"
    kind: Kind
    """What the participant is."""
    name: DisplayName | None = None
    """What people call it."""
    about: dict[str, JsonValue] | None = None
    """The application's own: model, version, avatar."""
    lease: Lease = LEASE
    """Seconds of silence after which it is lost."""
    new_run: bool | None = None
    """Whether it began a new run; absent: no, or it comes back."""
    run: Name | None = None
    """Which run of it is here, where it has a name."""


class PresenceStatus(PresenceEvent):
    """A participant does something else now; `activity` is one line for people."""

    type = "presence.status"
    status: Status
    """What it does."""
    activity: Activity | None = None
    """One line for people."""
    until: Time | None = None
    """Until when it expects to wait."""
    run: Name | None = None
    """Which run says so, where several are here and it has a name."""


class PresenceStalled(PresenceEvent):
    """A participant holds a task and shows nothing for it, without having said that it waits."""

    type = "presence.stalled"
    task: TaskId
    """The task."""
    after: float
    """Seconds in which nothing came: the task's `stall_after`."""
    reason: Reason | None = None
    """For people."""


class PresenceRecovered(PresenceEvent):
    """A stalled participant has shown something again, or its task is over."""

    type = "presence.recovered"
    task: TaskId
    """The task that it had stalled in."""
    reason: Reason | None = None
    """For people."""


class _PresenceEnded(PresenceEvent):
    run: Name | None = None
    """Which run is gone, where others are still here and it has a name."""
    others: bool | None = None
    """Whether other runs of it are still here; absent: no."""


class PresenceLost(_PresenceEnded):
    """Nothing came from a participant, or from one run of it, for its lease. What it held and had open is taken back in
    the same commit."""

    type = "presence.lost"
    after: float
    """Seconds in which nothing came: the lease."""
    reason: Reason | None = None
    """For people."""


class PresenceLeft(_PresenceEnded):
    """A participant went, or one run of it."""

    type = "presence.left"
    reason: Reason | None = None
    """For people."""
