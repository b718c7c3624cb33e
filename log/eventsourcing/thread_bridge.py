"""How a thread uses a log on an event loop.

A `Bridge` leads to a log that somebody has open on a running loop; a `LogThread` is a bridge that runs the loop
itself, in the background, and has the log open as long as it lives.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from eventsourcing.persistence import InterfaceError, ProgrammingError

from ..log import Log
from .errors import CLOSED, translated

T = TypeVar("T")
Work = Callable[[Log], Coroutine[Any, Any, T]]


class Trackings:
    """Tells threads of this process that a tracking has moved."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._count = 0

    def notify(self) -> None:
        """Wake everyone who waits."""
        with self._moved:
            self._count += 1
            self._moved.notify_all()

    @property
    def count(self) -> int:
        """How often trackings have moved; to be read before looking at one."""
        return self._count

    def wait(self, count: int, timeout: float) -> None:
        """Wait until they have moved more often than `count`, or for `timeout` seconds."""
        with self._moved:
            self._moved.wait_for(lambda: self._count > count, timeout)


class Bridge:
    """A log on a running loop. Everything may be called from any thread but the loop's own."""

    def __init__(self) -> None:
        self.trackings = Trackings()
        self._log: Log | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._lock = threading.RLock()  # reentrant: the collector may end a lease in the midst of a call

    def attach(self, log: Log) -> None:
        """Called on the loop, once the log is open."""
        with self._lock:
            self._log, self._loop, self._loop_thread = log, asyncio.get_running_loop(), threading.get_ident()

    def detach(self) -> None:
        """Take nothing more. Called on the loop."""
        with self._lock:
            self._log = None

    def start(self, work: Work[T]) -> "Future[T]":
        """Begin to do something with the log, on its loop. Cancelling the future cancels it there."""
        with self._lock:
            if self._log is None or self._loop is None:
                raise InterfaceError(CLOSED)
            if threading.get_ident() == self._loop_thread:
                raise ProgrammingError("This waits for the event loop that it is called on; call it from a thread.")
            return asyncio.run_coroutine_threadsafe(work(self._log), self._loop)

    def call(self, work: Work[T]) -> T:
        """Do something with the log. Raises the library's errors."""
        with translated():
            return self.start(work).result()


class LogThread(Bridge):
    """Opens a log in a thread of its own, and closes it there."""

    def __init__(self, make: Callable[[], Log], after: "LogThread | None" = None) -> None:
        """Does not start it. `after` is a thread that still closes the same log: this one waits for it."""
        super().__init__()
        self._make = make
        self._after = after
        self._opened: Future[None] = Future()
        self._stop = asyncio.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="stenogram-log", daemon=True)

    def start_thread(self) -> None:
        """Begin to open the log. Called once, by the one who made this; who waits is told if it fails."""
        try:
            self._thread.start()
        except BaseException as fault:
            self._after = None
            self._opened.set_exception(fault)
            raise

    def wait_open(self) -> None:
        """Wait until the log is open. Raises the library's errors when it cannot be opened."""
        with translated():
            self._opened.result()

    def stop(self) -> None:
        """Let the log be closed; what waits is answered before. Does not wait; safe to call twice."""
        with self._lock:
            self._stopped = True
            if self._log is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
                self._log = None

    def join(self) -> None:
        """Wait until the log is closed. A thread of a log's own goes on at once: the collector may run there, even
        while it is being started and has no name yet; who starts it waits then, and may hold a lock on executors."""
        current = threading.current_thread()
        if not isinstance(current, threading._DummyThread) and not current.name.startswith("stenogram-"):
            self.join_thread()

    def join_thread(self) -> None:
        """Wait until the thread has ended, if it ever began."""
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        if self._after is not None:
            self._after.join_thread()
            self._after = None
        try:
            asyncio.run(self._serve())
        except BaseException as fault:
            if not self._opened.done():
                self._opened.set_exception(fault)
            # A log that broke while it was open has told everyone who waited.

    async def _serve(self) -> None:
        try:
            async with self._make() as log:
                self.attach(log)
                self._opened.set_result(None)
                if not self._stopped:
                    await self._stop.wait()
        finally:
            self.detach()
