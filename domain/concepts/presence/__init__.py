"""Presence: who takes part, and what each is doing.

    joined → status*, stalled ⇄ recovered → left | lost

A participant joins, says what it is doing, and leaves; or nothing comes from it for its lease, and it is lost. It may
do so in several processes, or *runs*, at once: each is an *instance*, which joins, holds work and is lost by itself.
The participant is present while one of them is. A process that does not say which run it is counts as the anonymous
one.
Transitions are events; heartbeats are not: the gateway keeps in mind when it last heard of whom. Who holds a task and
shows nothing for it is stalled (`stalls`).
"""

from .commands import Join, Leave, LoseParticipant, ReportStatus
from .events import (
    LEASE,
    Activity,
    DisplayName,
    Lease,
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceRecovered,
    PresenceStalled,
    PresenceStatus,
    Status,
)
from .fold import evolve
from .participants import ANONYMOUS, EMPTY, WAITING, Instance, Participant, Presence
from .rules import deadlines, decide

__all__ = [
    "ANONYMOUS",
    "EMPTY",
    "LEASE",
    "WAITING",
    "Activity",
    "DisplayName",
    "Instance",
    "Join",
    "Lease",
    "Leave",
    "LoseParticipant",
    "Participant",
    "Presence",
    "PresenceJoined",
    "PresenceLeft",
    "PresenceLost",
    "PresenceRecovered",
    "PresenceStalled",
    "PresenceStatus",
    "ReportStatus",
    "Status",
    "deadlines",
    "decide",
    "evolve",
]
