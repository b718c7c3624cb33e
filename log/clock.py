"""The log's time: what the clock of its storage says, told without ever going back.

Gateways that share a log have clocks that differ, and deadlines that one sets are kept by another. So the time of day
comes from the storage. It is asked once in a while; in between, the process's monotonic clock tells how much of it has
passed. What is known of an answer is that it was true at some moment between question and answer: the time that is told
is corrected by as much as that proves, and no more.

Storage that is ahead is followed at once: time has passed there (the machine slept, or its clock was wrong). Where it
is behind, because its clock was set back, the told time goes on, a little slower, until they meet: nothing that falls
due has to wait for the hour that was taken back. Beyond `FARTHEST_S` it was a fault, and is dropped.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

RESOLUTION_S = 0.001
"""What arrives within this shares one time: making one takes longer than reading the clock."""
MOST_ANSWERS = 3
"""From which it begins with the one that came soonest: what others told of the time until then is not known yet."""
SLOWED = 0.05
"""By which share the told time is slower while it is ahead of the storage's: an hour is made up for in twenty."""
FARTHEST_S = 86_400.0
"""Seconds ahead of its storage that the told time may be."""
NOTED_OFFSET_S = 1.0
"""Seconds by which this machine's clock may be off before it is said."""

_logger = logging.getLogger(__name__)


class LogClock:
    """Tells the log's time, in UTC and to about a millisecond, never an earlier one than before it (but where more than
    `FARTHEST_S` is dropped). `read` asks the storage for seconds since 1970; `monotonic` and `wall` are this
    process's."""

    def __init__(
        self,
        read: Callable[[], Awaitable[float]],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._monotonic = monotonic
        self._wall = wall
        # Until it is started, this machine's.
        self._base, self._at, self._slow_for = wall(), monotonic(), 0.0
        self._until, self._now = self._at, datetime.fromtimestamp(self._base, UTC)
        self._noted = False

    def now(self, monotonic: float | None = None) -> datetime:
        """The time; `monotonic` is what the monotonic clock said just now, for those who have asked it already."""
        at = self._monotonic() if monotonic is None else monotonic
        if at >= self._until:
            self._until = at + RESOLUTION_S
            self._now = datetime.fromtimestamp(self._told(at), UTC)
        return self._now

    @property
    def offset(self) -> float:
        """Seconds by which this machine's clock is ahead of the log's time; negative: behind it."""
        return self._wall() - self._told(self._monotonic())

    async def start(self, last: float) -> None:
        """Begin with the storage's time, or that of the log's last event, at `last`, where its clock was set back since
        then. Raises what `read` raises."""
        answers: list[tuple[float, float, float]] = []
        while len(answers) < MOST_ANSWERS and (not answers or min(answers)[0] > RESOLUTION_S):
            asked, there = self._monotonic(), await self._read()
            at = self._monotonic()
            answers.append((at - asked, there, at))
        took, there, at = min(answers)
        there += took / 2
        self._set(max(there, last) if last - there <= FARTHEST_S else there, at)
        self._note_offset()

    async def correct(self) -> None:
        """Ask the storage, and correct what is told. Raises what `read` raises."""
        asked, there = self._monotonic(), await self._read()
        at = self._monotonic()
        told, latest = self._told(at), there + at - asked
        if told - latest > FARTHEST_S:
            _logger.warning("the clock of the log's storage is %.0f s behind; its time is taken over", told - latest)
            told = latest
        self._set(max(told, there), at, ahead=max(told - latest, 0.0))
        self._note_offset()

    def _told(self, at: float) -> float:
        passed = at - self._at
        return self._base + passed - SLOWED * min(passed, self._slow_for)

    def _set(self, base: float, at: float, ahead: float = 0.0) -> None:
        self._base, self._at, self._slow_for = base, at, ahead / SLOWED
        self._until = at

    def _note_offset(self) -> None:
        offset = self.offset
        noted, self._noted = self._noted, abs(offset) > NOTED_OFFSET_S
        if self._noted and not noted:
            where = describe_offset(offset)
            _logger.warning("this machine's clock is %s the log's time, which is kept to; set it right", where)
        elif noted and not self._noted:
            _logger.info("this machine's clock is right again")


def describe_offset(offset: float) -> str:
    """In words."""
    return f"{abs(offset):.1f} seconds {'ahead of' if offset > 0 else 'behind'}"
