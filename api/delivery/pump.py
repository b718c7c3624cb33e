"""The pump: runs delivery in slices of a few milliseconds, so that commands, acks and heartbeats get their turns.

Events that come in quick succession wait until the delivery window (`window`) closes.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator

from .window import DeliveryWindow

_logger = logging.getLogger(__name__)

OnError = Callable[[BaseException], None]

SLICE_S = 0.004


class Pump:
    """Runs iterators a slice at a time, first come first served; each `yield` is a place to pause."""

    def __init__(self) -> None:
        self._jobs: deque[tuple[Iterator[None], OnError]] = deque()
        self._loop = asyncio.get_running_loop()
        self._window = DeliveryWindow()
        self._scheduled = False

    def start(self, job: Iterator[None], on_error: OnError) -> None:
        """Run a job to its end; call `on_error` if it raises."""
        self._jobs.append((job, on_error))
        # One `_run` at a time: a second one would give delivery two slices in each turn of the loop.
        if not self._scheduled:
            self._scheduled = True
            self._window.delivery_began()
            # Not at once: a job started by a command would delay that command's ack by a whole slice.
            self._loop.call_soon(self._run)

    def call_when_window_closes(self, callback: Callable[[], None]) -> None:
        """Call once, in this turn of the loop if the window is closed."""
        wait = self._window.seconds_left()
        if wait > 0:
            self._loop.call_later(wait, callback)
        else:
            self._loop.call_soon(callback)

    def _run(self) -> None:
        until = time.perf_counter() + SLICE_S
        jobs = self._jobs
        while jobs:
            job, on_error = jobs.popleft()
            if not self._step(job, on_error, until):
                # To the end of the queue: at its head a subscriber with a long past would keep out all others.
                jobs.append((job, on_error))
            if time.perf_counter() > until:
                break
        # Set after the jobs have run: what they start is in `jobs` already, and needs no call of its own.
        self._scheduled = bool(jobs)
        if jobs:
            self._loop.call_soon(self._run)
        else:
            self._window.delivery_ended()

    def _step(self, job: Iterator[None], on_error: OnError, until: float) -> bool:
        """Run a job until the slice is used up; whether it is done."""
        try:
            for _ in job:
                if time.perf_counter() > until:
                    return False
        except Exception as error:  # one subscriber's fault must not stop delivery to the others
            _logger.exception("delivering to a subscriber failed")
            on_error(error)
        return True
