"""Presence: each speaks for themselves, and only of those who are here."""

from ..concepts.presence import (
    PresenceJoined,
    PresenceLeft,
    PresenceLost,
    PresenceRecovered,
    PresenceStalled,
    PresenceStatus,
)
from ..model import Event
from ..state import State


def check_presence(state: State, event: Event) -> str | None:
    """Why the rules would not have written this."""
    data = event.data
    if isinstance(data, PresenceJoined | PresenceStatus) and event.actor != data.participant:
        return f"is {event.actor}'s, and speaks of {data.participant}"
    if not isinstance(data, PresenceStatus | PresenceLeft | PresenceLost | PresenceStalled | PresenceRecovered):
        return None
    known = state.presence.get(data.participant)
    if known is None or not known.present:
        return f"speaks of {data.participant}, who is not here"
    return None
