"""Work on long lists without keeping the loop to oneself."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")

SLICE_S = 0.004
"""Of work between two turns of the loop."""
_PIECES = 32  # pieces of work between two looks at the clock


async def slices(pieces: Sequence[T], few: int = _PIECES) -> AsyncIterator[Sequence[T]]:
    """The pieces, a few at a time (the larger the work on each may be, the fewer); in between the loop gets a turn,
    whenever it has waited for long enough."""
    since = time.perf_counter()
    for first in range(0, len(pieces), few):
        yield pieces[first : first + few]
        if time.perf_counter() - since > SLICE_S:
            await asyncio.sleep(0)
            since = time.perf_counter()
