"""Who has which log open in this process.

A log is opened by the first who asks for it and closed when the last has let go, explicitly or by being collected.
"""

import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from eventsourcing.persistence import InterfaceError

from ..location import MEMORY, Location
from ..log import Log
from ..storage import Storage
from .errors import CLOSED, translated
from .thread_bridge import Bridge, LogThread, T, Trackings, Work


class OpenLog:
    """One open log: its bridge, and how many hold it. `thread` is None for one that was lent."""

    def __init__(self, bridge: Bridge, thread: LogThread | None) -> None:
        self.bridge = bridge
        self.thread = thread
        self.holders = 0


_open_logs: dict[str, OpenLog] = {}
# Reentrant, and never held while waiting or starting a thread: the collector may let go of a lease at any time.
_lock = threading.RLock()


class Lease:
    """One holder's use of an open log, by a thread. Raises InterfaceError once it was given back."""

    def __init__(self, where: str, *, read_only: bool = False) -> None:
        open_log, new = _enter(where, read_only)
        self._bridge: Bridge | None = open_log.bridge
        self._leave = weakref.finalize(self, _leave, open_log)
        self._leave.atexit = False  # what was acknowledged is on the disk
        self._thread = open_log.thread
        if open_log.thread is not None:
            try:
                if new:
                    open_log.thread.start_thread()
                open_log.thread.wait_open()
            except BaseException:
                self.close()
                raise

    def call(self, work: Work[T]) -> T:
        """Do something with the log and wait for it. Raises the library's errors."""
        return self._open().call(work)

    def start(self, work: Work[T]) -> "Future[T]":
        """Begin to do something with the log."""
        return self._open().start(work)

    @property
    def trackings(self) -> Trackings:
        """Tells of trackings that moved."""
        return self._open().trackings

    def close(self) -> None:
        """Give the log back; if nobody else holds it, it is closed when this returns. Safe to call twice."""
        self._bridge = None
        if self._leave() and self._thread is not None:
            self._thread.join()

    def _open(self) -> Bridge:
        if self._bridge is None:
            raise InterfaceError(CLOSED)
        return self._bridge


@contextmanager
def lend(log: Log, where: str) -> Iterator[None]:
    """Let applications of this process use an open log: the one that their `STENOGRAM_LOG` names as `where`.

    To be entered and left on the log's loop; applications call it from threads.
    """
    name, bridge = Location.parse(where).identity, Bridge()
    bridge.attach(log)
    with _lock:
        known = _open_logs.get(name)
        if known is not None and (known.thread is None or known.holders):
            raise InterfaceError(f"{where} is open in this process already; lend it before it is used.")
        open_log = _open_logs[name] = OpenLog(bridge, None)
    try:
        yield
    finally:
        bridge.detach()
        with _lock:
            if _open_logs.get(name) is open_log:
                del _open_logs[name]


def _enter(where: str, read_only: bool) -> tuple[OpenLog, bool]:
    """The open log, and whether it is new: then its thread has to be started, by who entered. Raises InternalError for
    an address that no engine is for."""
    with translated():
        name = Location.parse(where).identity
    with _lock:
        open_log = _open_logs.get(name) or (_open_logs.get(f"{name} (read only)") if read_only else None)
        closing = None
        if open_log is not None and open_log.thread is not None and not open_log.holders:
            closing, open_log = open_log.thread, None
        new = open_log is None
        if open_log is None:
            thread = LogThread(lambda: Log(Storage(name).engine(read_only=read_only)), closing)
            open_log = OpenLog(thread, thread)
            if where != MEMORY:
                _open_logs[f"{name} (read only)" if read_only else name] = open_log
        open_log.holders += 1
        return open_log, new


def _leave(open_log: OpenLog) -> bool:
    """Whether that was the last one, and the log is being closed."""
    with _lock:
        open_log.holders -= 1
        if open_log.holders or open_log.thread is None:
            return False
        open_log.thread.stop()
        return True
