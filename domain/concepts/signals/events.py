"""What is recorded of signals."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from ...ids import NAME_PATTERN, ParticipantId, SignalId
from ...model import DAY, EventData, Reason
from ...timestamps import Time
from ...wording.patterns import pattern

SignalKind = Literal["cancel", "pause", "resume", "steer", "reroute"]
SESSION = "session"
TARGET_PATTERN = pattern(
    rf"^(session|(agent|task|message):{NAME_PATTERN[1:-1]})$", "session, agent:NAME, task:ID or message:ID"
)
Target = Annotated[str, StringConstraints(pattern=TARGET_PATTERN, max_length=160)]
Grace = Annotated[float, Field(ge=0, le=DAY, strict=True)]
GRACES: dict[str, float] = {"cancel": 10.0, "reroute": 10.0}
"""Seconds of grace where a signal names none; of the other kinds, none ever runs out."""
MAX_REROUTE_BYTES = 1_000
"""JSON of the new input when an agent is rerouted: each of its tasks gets it."""
STOPS = frozenset(GRACES)
"""Kinds after which the target's work ends, honoured or not."""


class _SignalEvent(EventData):
    signal: SignalId
    """Which signal."""

    def subject(self) -> str:
        return f"signal:{self.signal}"


class SignalRaised(_SignalEvent):
    """Someone wants something else than what is being done."""

    type = "signal.raised"
    kind: SignalKind
    """What is wanted."""
    target: Target
    """Of whom: `session`, or an `agent:…`, `task:…` or `message:…`."""
    addressees: tuple[ParticipantId, ...] = ()
    """Who must answer: those who work on the target now."""
    body: JsonValue = None
    """What goes with it: the instruction of a `steer`, the new input of a `reroute`."""
    to: ParticipantId | None = None
    """Of a `reroute`: who alone may claim the work now."""
    grace: Grace | None = None
    """Seconds to answer; absent: any time."""
    due: Time | None = None
    """When these are over."""


class SignalDelivered(_SignalEvent):
    """The actor has got it."""

    type = "signal.delivered"


class SignalHonoured(_SignalEvent):
    """The actor does what was wanted."""

    type = "signal.honoured"
    reason: Reason | None = None
    """For people."""
    new_run: bool | None = None
    """Whether it was honoured by a new run of the actor: then earlier ones can do nothing more."""


class SignalRefused(_SignalEvent):
    """The actor will not."""

    type = "signal.refused"
    reason: Reason | None = None
    """Why, for people."""


class SignalWithdrawn(_SignalEvent):
    """Its raiser took an instruction back. Those who have honoured it may have followed it."""

    type = "signal.withdrawn"
    reason: Reason | None = None
    """For people."""


class SignalExpired(_SignalEvent):
    """The grace ran out, or there is nobody to wait for. After a cancel or a reroute the work has ended all the
    same."""

    type = "signal.expired"
    waiting: tuple[ParticipantId, ...] = ()
    """Who had not answered."""


class SignalAddressed(_SignalEvent):
    """Others must answer: the task that it is aimed at has another holder now, or somebody joined whose session is
    being cancelled."""

    type = "signal.addressed"
    addressees: tuple[ParticipantId, ...]
    """Who."""
