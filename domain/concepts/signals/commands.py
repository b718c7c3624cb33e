"""How signals are raised and answered."""

from typing import ClassVar

from pydantic import JsonValue

from ...audience import Audience
from ...ids import ParticipantId, SignalId
from ...model import CommandData, Reason
from .events import Grace, SignalKind, Target


class _SignalCommand(CommandData):
    concept: ClassVar[str] = "signals"
    signal: SignalId
    """Which signal."""


class RaiseSignal(_SignalCommand):
    """Interrupt: cancel, pause, resume, steer or reroute. Anyone may, from any device. A signal at an `agent:` is for
    an agent or a service, or an id that nobody has joined under yet; people and the gateway are not interrupted."""

    do = "signal.raise"
    signal: SignalId
    """The signal's id: minted by its raiser, unique in the session."""
    kind: SignalKind
    """What you want."""
    target: Target
    """Of whom: `session`, or `agent:hotels`, `task:t-3`, `message:m1`."""
    body: JsonValue = None
    """What goes with it: the instruction of a `steer`, the new input of a `reroute`."""
    to: ParticipantId | None = None
    """Of a `reroute`: who alone may claim the work now; absent: anyone."""
    grace: Grace | None = None
    """Seconds to stop in good order; 0: at once. Absent: 10 for `cancel` and `reroute`, else no limit."""
    audience: Audience | None = None
    """Who may see the signal and how it is answered, besides you and those whom it concerns. A signal at a task or a
    message has that one's audience and takes none; absent otherwise: everyone."""


class DeliverSignal(_SignalCommand):
    """Say that you have got it."""

    do = "signal.deliver"


class HonourSignal(_SignalCommand):
    """Say that you do what was wanted, or, after a cancel, that you have stopped. Late is better than never: it lifts
    your fence."""

    do = "signal.honour"
    reason: Reason | None = None
    """For people."""


class RefuseSignal(_SignalCommand):
    """Say that you will not."""

    do = "signal.refuse"
    reason: Reason | None = None
    """Why, for people."""


class WithdrawSignal(_SignalCommand):
    """Take back a `steer` of yours that somebody has yet to honour: those who have not need not. What is stopped stays
    stopped, and a pause ends by `resume`: other kinds cannot be withdrawn."""

    do = "signal.withdraw"
    reason: Reason | None = None
    """For people."""


class ExpireSignal(_SignalCommand):
    """End the grace. Done by the gateway's clock."""

    do = "signal.expire"
