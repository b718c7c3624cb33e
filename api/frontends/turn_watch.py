"""Wakes those who follow turns when one may be over.

A turn's end is in the session's state; it is looked at when something has happened that may have ended it. Deltas never
do, so that following costs nothing while agents speak.
"""

from collections.abc import Callable

from ...domain.ids import SessionId
from ...log.records import Record

_MAY_END = ("task.", "approval.", "session.", "message.completed", "message.aborted")

Wake = Callable[[], None]


class TurnWatch:
    """Of one log."""

    def __init__(self) -> None:
        self._waiting: dict[SessionId, dict[Wake, None]] = {}

    def add(self, session: SessionId, wake: Wake) -> None:
        """Call it whenever a turn of the session may have ended."""
        self._waiting.setdefault(session, {})[wake] = None

    def remove(self, session: SessionId, wake: Wake) -> None:
        """Call it no more."""
        waiting = self._waiting[session]
        del waiting[wake]
        if not waiting:
            del self._waiting[session]

    def published(self, records: list[Record]) -> None:
        """These were committed."""
        if not self._waiting:
            return
        moved = {each.session: None for each in records if each.type.startswith(_MAY_END)}
        for session in moved:
            for wake in tuple(self._waiting.get(session, ())):
                wake()
