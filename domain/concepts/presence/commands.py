"""What participants ask for, and what the gateway's clock does."""

from typing import Annotated, ClassVar

from pydantic import JsonValue, Strict

from ...ids import ParticipantId
from ...model import CommandData, Count, Reason
from ...timestamps import Time
from .events import LEASE, Activity, DisplayName, Lease, Status


class _PresenceCommand(CommandData):
    concept: ClassVar[str] = "presence"


class Join(_PresenceCommand):
    """Take part. `about` is free for the application: model, version, avatar. Refused with `no_change` when this run of
    you is here, unless it begins."""

    do = "presence.join"
    name: DisplayName | None = None
    """What people call you."""
    about: dict[str, JsonValue] | None = None
    """The application's own: model, version, avatar."""
    lease: Lease = LEASE
    """Seconds of silence after which you are lost. Everything that comes from you counts; send a heartbeat at least
    every third of it."""
    new_run: Annotated[bool, Strict()] = False
    """Whether you start, and do not come back: what an earlier run of you has left (presence, tasks, open messages and
    questions) ends, and a cancel that it did not honour counts as honoured."""
    beside: Annotated[bool, Strict()] = False
    """With `new_run`: what other runs of you hold stays theirs, as long as they are heard of."""


class ReportStatus(_PresenceCommand):
    """Say what you are doing. Refused with `no_change` when that is known. Who waits for a tool or a human is not taken
    for stalled."""

    do = "presence.status"
    status: Status
    """What you do."""
    activity: Activity | None = None
    """One line for people; absent: none."""
    until: Time | None = None
    """Until when you expect to wait; absent: there is no telling."""


class Leave(_PresenceCommand):
    """Go."""

    do = "presence.leave"
    reason: Reason | None = None
    """For people."""


class LoseParticipant(_PresenceCommand):
    """Record that nothing came from a participant for its lease. Done by the gateway's clock."""

    do = "presence.lose"
    participant: ParticipantId
    """Who."""
    joined: Count
    """The version in which it had joined."""
