"""What a log counts of its own work, cheap enough for every batch: plain numbers, for metrics to show. Nothing is done
for a single event."""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096)
SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SAY_EVERY_S = 5.0
"""Seconds between two lines of a log whose commits fail."""

_logger = logging.getLogger(__name__)


class Commit(NamedTuple):
    """A batch that was written: its events, when that began (on the clock of `time.monotonic`), how long it took."""

    events: int
    began: float
    seconds: float


class Histogram:
    """How often a value came at or below each bound, and above all of them; and the sum of all."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def add_since(self, times: Sequence[float], now: float) -> None:
        """Count how long ago each of these times was. A step for each bound, not for each time."""
        ordered = sorted(times)  # most often they are: then this is one look at each
        older = len(ordered)
        for number, bound in enumerate(self.bounds):
            newer = bisect_left(ordered, now - bound, 0, older)
            self.counts[number] += older - newer
            older = newer
        self.counts[-1] += older
        self.sum += now * len(ordered) - sum(ordered)

    def merge(self, other: "Histogram") -> None:
        """Count what another one of the same bounds has counted."""
        self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


@dataclass(slots=True)
class LogStats:
    """Since the log was opened here: batches by their events and by the seconds that the commit took, batches that
    another process came before, and batches that failed; `failed_at` is when the last one did, by `time.monotonic`,
    and `failure` why, unless a later one succeeded. `answers`: commands by the seconds from when they were queued until
    they were acknowledged. While those of a batch are answered, `commit` is by which it was written."""

    sizes: Histogram = field(default_factory=lambda: Histogram(SIZES))
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    answers: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    commit: Commit | None = None
    overtaken: int = 0
    failed: int = 0
    failed_at: float | None = None
    failure: str = ""
    _said_at: float = float("-inf")
    _unsaid: int = 0

    def committed(self, commit: Commit) -> None:
        """A batch was written."""
        self.sizes.add(commit.events)
        self.seconds.add(commit.seconds)
        if self.failed_at is not None:
            self.failed_at = None
            self._said_at = float("-inf")
            _logger.info("commits succeed again")

    def answering(self, commit: Commit | None, asked_at: Sequence[float], now: float) -> None:
        """Commands that were queued at these times are acknowledged now."""
        self.commit = commit
        if asked_at:
            self.answers.add_since(asked_at, now)

    def add(self, other: "LogStats") -> None:
        """Count what another log had counted, which is closed now."""
        self.sizes.merge(other.sizes)
        self.seconds.merge(other.seconds)
        self.answers.merge(other.answers)
        self.overtaken += other.overtaken
        self.failed += other.failed

    def lost(self, now: float, why: str) -> None:
        """A batch could not be written. The log says so, every few seconds."""
        self.failed += 1
        self.failed_at, self.failure = now, why
        if now - self._said_at < SAY_EVERY_S:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more since the last line)" if self._unsaid else ""
        _logger.error("a commit failed, and its commands were refused%s: %s", more, why)
        self._said_at, self._unsaid = now, 0
