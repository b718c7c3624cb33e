"""Signals: who answers is one of those whom it waits for."""

from ..concepts.signals import (
    SignalAddressed,
    SignalDelivered,
    SignalExpired,
    SignalHonoured,
    SignalRaised,
    SignalRefused,
    SignalWithdrawn,
)
from ..model import Event
from ..state import State

_OF_KNOWN = (SignalAddressed, SignalDelivered, SignalExpired, SignalHonoured, SignalRefused, SignalWithdrawn)


def check_signal(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data, known = event.data, state.signals.known
    if isinstance(data, SignalRaised):
        return f"names signal {data.signal!r}, which there is already" if data.signal in known else None
    if not isinstance(data, _OF_KNOWN):
        return None
    signal = known.get(data.signal)
    if signal is None:
        return f"names signal {data.signal!r}, which was not raised"
    if isinstance(data, SignalAddressed | SignalExpired | SignalWithdrawn):
        return None if signal.status == "open" else f"comes when signal {signal.id!r} is {signal.status}"
    if event.actor not in signal.waiting:
        return f"is {event.actor}'s, for whom signal {signal.id!r} does not wait"
    return None
