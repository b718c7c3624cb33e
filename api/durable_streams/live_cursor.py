"""Cursors of live reads: they change with time, so that no cache between gives the same answer for ever.

A cursor is the number of the interval of 20 seconds since an agreed day. A client gives it back, and then always gets
a greater one.
"""

import random
import time

EPOCH_S = 1_728_432_000
"""2024-10-09T00:00Z."""
INTERVAL_S = 20
MOST_JITTER_S = 3_600
MAX_CURSOR = 2**53


def read_cursor(given: str | None) -> int | None:
    """A client's cursor; None where it has none, or what no gateway gave."""
    if given is None or not given.isascii() or not given.isdigit() or len(given) > 16:
        return None
    return min(int(given), MAX_CURSOR)


def next_cursor(given: int | None) -> int:
    """The cursor for the next answer to a client that has this one."""
    now = int(time.time() - EPOCH_S) // INTERVAL_S
    if given is None or given < now:
        return now
    return given + max(1, random.randint(1, MOST_JITTER_S) // INTERVAL_S)
