"""What a soak measures: how long acks take with and without readers of the past, and what memory the gateways have."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from support.processes import children
from support.wire import Frame

MOST_GROWTH = 1.1
SLACK_MB = 16.0


class Phase(NamedTuple):
    """A stretch of time, by the monotonic clock, with or without readers of the past."""

    reading: bool
    begin: float
    end: float


class Acks:
    """When each ack came and how many seconds it took; how often a repeat was answered, and what was refused."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, Frame]] = []
        self.dismissals: list[Frame] = []
        self.moves = 0
        self.repeated = 0
        self._times: list[tuple[float, float]] = []

    def note(self, due: float, at: float) -> None:
        """A command that was due then was acknowledged now."""
        self._times.append((at, at - due))

    def __len__(self) -> int:
        return len(self._times)

    def of(self, phases: Sequence[Phase]) -> list[float]:
        """Milliseconds, in order, of what was acknowledged in these phases."""
        spans = [(phase.begin, phase.end) for phase in phases]
        return sorted(took * 1_000 for at, took in self._times if any(begin <= at <= end for begin, end in spans))


class Sample(NamedTuple):
    """What the gateways have at a moment, in MB: their own processes, and those beside each."""

    at: float
    own: tuple[float, ...]
    beside: tuple[float, ...]


class Memory:
    """What memory is resident, over time."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self.samples: list[Sample] = []

    def look(self) -> None:
        """Take a sample."""
        beside = tuple(sum(map(_resident, children(pid))) for pid in self._pids)
        self.samples.append(Sample(time.monotonic(), tuple(map(_resident, self._pids)), beside))

    def grown(self) -> list[str]:
        """What is not flat: where the last third has more than the middle third had, by more than a tenth and the
        little that an allocator keeps."""
        third = len(self.samples) // 3
        middle, last = self.samples[third : 2 * third], self.samples[2 * third :]
        found = []
        for number in range(len(self._pids)):
            for name in ("own", "beside"):
                before, after = (statistics.median(getattr(each, name)[number] for each in of) for of in (middle, last))
                if after > before * MOST_GROWTH + SLACK_MB:
                    found.append(f"gateway {number} ({name}): {before:.0f} MB, then {after:.0f} MB")
        return found


def _resident(pid: int) -> float:
    """MB; none of a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmRSS:")[2].split()[0]) / 1_024 if "VmRSS:" in status else 0.0


def report(acks: Acks, phases: Sequence[Phase], memory: Memory, rows: int = 15) -> str:
    """The figures, for people."""
    lines = ["", "acks, from when each was due     number   p50 ms   p99 ms   max ms"]
    for words, reading in (("without readers of the past", False), ("with readers of the past", True)):
        took = acks.of([phase for phase in phases if phase.reading is reading])
        if took:
            p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
            lines.append(f"{words:30} {len(took):8,} {p50:8.1f} {p99:8.1f} {took[-1]:8.1f}")
    names = "   ".join(f"gateway {number} + beside" for number in range(len(memory.samples[0].own)))
    lines.append(f"resident MB after seconds   {names}")
    begin, every = memory.samples[0].at, max(1, len(memory.samples) // rows)
    for sample in memory.samples[::every]:
        pairs = (f"{own:9.0f} + {beside:6.0f}" for own, beside in zip(sample.own, sample.beside, strict=True))
        lines.append(f"{sample.at - begin:25,.0f}   " + "   ".join(pairs))
    return "\n".join(lines)
