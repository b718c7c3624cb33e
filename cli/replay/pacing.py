"""The time that passes between the events of a replay."""

from datetime import datetime
from typing import NamedTuple

from ...domain.model import Event

_WHOLE = ("message.posted",)


class Pause(NamedTuple):
    """How long to wait before an event, in seconds of the replay; `shortened` is how long it was if it was cut."""

    seconds: float
    shortened: float | None = None


class Pacing:
    """Waits as long as it was then, divided by `speed` (0: never), at most `longest` seconds; before a message that
    was posted whole at least `shortest`."""

    def __init__(self, speed: float, longest: float, shortest: float = 0.0) -> None:
        self._speed = speed
        self._longest = longest
        self._shortest = shortest
        self._last: datetime | None = None

    def before(self, event: Event) -> Pause:
        """The pause before the next event."""
        last, self._last = self._last, event.time
        if last is None or self._speed == 0:
            return Pause(0.0)
        was = max((event.time - last).total_seconds(), 0.0)
        seconds = max(was / self._speed, self._shortest if event.type in _WHOLE else 0.0)
        if seconds > self._longest:
            return Pause(self._longest, was)
        return Pause(seconds)
