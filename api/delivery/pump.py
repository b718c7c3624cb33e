"""The pump: runs delivery in slices of a few milliseconds, so that commands, acks and heartbeats get their turns.

It also holds the window open for events that come in quick succession. What has just been delivered took some time,
and what comes next waits for as long again, counted from then, 10 ms at most. So a single event goes out at once, and
the more there is to write, and the busier the loop is with other things, the more events share a frame.
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
"""Seconds that events wait for company, at most."""


class Pump:
    """Runs iterators a slice at a time, first come first served; each `yield` is a place to pause."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Iterator[None], Failed]] = deque()
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._began = self._ended = time.perf_counter()

    def start(self, job: Iterator[None], failed: Failed) -> None:
        """Run a job to its end; call `failed` if it raises."""
        self._jobs.append((job, failed))
        if not self._scheduled:
            self._scheduled = True
            self._began = time.perf_counter()
            self._loop.call_soon(self._run)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call once, in this turn of the loop or when the window closes."""
        wait = self._window() - time.perf_counter()
        if wait > 0:
            self._loop.call_later(wait, callback)
        else:
            self._loop.call_soon(callback)

    def _window(self) -> float:
        """When it closes. While there is something to deliver it is not known yet how long that will take."""
        if self._scheduled:
            return time.perf_counter() + WINDOW
        return self._ended + min(WINDOW, self._ended - self._began)

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
        else:
            self._ended = time.perf_counter()

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
