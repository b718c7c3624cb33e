"""The file in which is noted when each position was committed, shared with the load client."""

import mmap
from pathlib import Path

STAMPS = 1 << 20  # as in loadgen.c; a position's slot is the rest of dividing by it
STAMPS_BYTES = STAMPS * 8


def map_stamps(path: Path) -> "memoryview[int]":
    """Nanoseconds of the monotonic clock, by slot."""
    with path.open("r+b") as file:
        return memoryview(mmap.mmap(file.fileno(), STAMPS_BYTES)).cast("q")
