"""What a log counts of its own work, cheap enough for every batch: plain numbers, for metrics to show."""

from bisect import bisect_left
from dataclasses import dataclass, field

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096)
SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


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

    def merge(self, other: "Histogram") -> None:
        """Count what another one of the same bounds has counted."""
        self.counts = [own + more for own, more in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


@dataclass(slots=True)
class LogStats:
    """Since the log was opened here: batches by their events and by the seconds that the commit took, batches that
    another process came before, and batches that failed; `failed_at` is when the last one did, by `time.monotonic`,
    unless a later one succeeded."""

    sizes: Histogram = field(default_factory=lambda: Histogram(SIZES))
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    overtaken: int = 0
    failed: int = 0
    failed_at: float | None = None

    def committed(self, events: int, seconds: float) -> None:
        """A batch was written."""
        self.sizes.add(events)
        self.seconds.add(seconds)
        self.failed_at = None

    def add(self, other: "LogStats") -> None:
        """Count what another log had counted, which is closed now."""
        self.sizes.merge(other.sizes)
        self.seconds.merge(other.seconds)
        self.overtaken += other.overtaken
        self.failed += other.failed

    def lost(self, now: float) -> None:
        """A batch could not be written."""
        self.failed += 1
        self.failed_at = now
