"""The pump: runs delivery in slices of a few milliseconds, so that commands, acks and heartbeats get their turns.

It also widens the window when the process is busy: while the loop has time to spare, events go out at once; when it
does not, they wait 10 ms for company, which costs far fewer writes.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator

_logger = logging.getLogger(__name__)

Failed = Callable[[BaseException], None]

SLICE = 0.004
WINDOW = 0.010
BUSY, IDLE = 0.9, 0.6
SAMPLE = 0.1


class Pump:
    """Runs iterators a slice at a time, first come first served; each `yield` is a place to pause."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Iterator[None], Failed]] = deque()
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._gauge = Gauge()

    def start(self, job: Iterator[None], failed: Failed) -> None:
        """Run a job to its end; call `failed` if it raises."""
        self._jobs.append((job, failed))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call once, in this turn of the loop or when the window closes."""
        if self._gauge.busy():
            self._loop.call_later(WINDOW, callback)
        else:
            self._loop.call_soon(callback)

    def _run(self) -> None:
        until = time.perf_counter() + SLICE
        jobs = self._jobs
        while jobs:
            job, failed = jobs.popleft()
            if not self._step(job, failed, until):
                jobs.append((job, failed))
            if time.perf_counter() > until:
                break
        self._scheduled = bool(jobs)
        if jobs:
            self._loop.call_soon(self._run)

    def _step(self, job: Iterator[None], failed: Failed, until: float) -> bool:
        """Run a job until the slice is used up; whether it is done."""
        try:
            for _ in job:
                if time.perf_counter() > until:
                    return False
        except Exception as error:  # one subscriber's fault must not stop delivery to the others
            _logger.exception("delivering to a subscriber failed")
            failed(error)
        return True


class Gauge:
    """Whether this process is short of processor time, from its own use of it, sampled ten times a second. Two
    thresholds keep it from flickering, since a wider window lowers the very use that is measured."""

    def __init__(self) -> None:
        self._busy = False
        self._at = time.monotonic()
        self._used = time.process_time()

    def busy(self) -> bool:
        """The answer as of the last sample."""
        now = time.monotonic()
        if now - self._at >= SAMPLE:
            used = time.process_time()
            share = (used - self._used) / (now - self._at)
            self._busy = share > (IDLE if self._busy else BUSY)
            self._at, self._used = now, used
        return self._busy
