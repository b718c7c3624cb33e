"""The lock that keeps a log to one writing process.

SQLite alone would let processes take turns, which starves some and makes every writer's knowledge of the log
stale; so a writer holds `flock` on a file beside the log for as long as it is open. The operating system lets
go of it when the process ends, however it ends: there is never a stale lock to clear away. The file itself
stays (removing it would race with the next writer) and holds the number of the last process that had it, for
the error message only.
"""

import fcntl
import os
from pathlib import Path

from ...domain.errors import LogInUse, LogUnreadable


class WriterLock:
    """Held by at most one engine at a time, in this process or any other of this machine."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.path = Path(f"{log}.lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise LogInUse; never waits."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogUnreadable(
                f"{self.log} cannot be written: {error.strerror or error}; open it for reading, or move it."
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = _holder(file)
            os.close(file)
            raise LogInUse(f"{self.log}: {holder} writes this log; stop it, or open the log for reading.") from None
        except OSError as error:
            os.close(file)
            raise LogUnreadable(
                f"{self.path} cannot be locked: {error.strerror or error}; keep the log on a local disk."
            ) from error
        self._file = file

    def release(self) -> None:
        """Let go of the lock; safe to call without holding it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _holder(file: int) -> str:
    number = os.pread(file, 32, 0).strip()
    if number == b"%d" % os.getpid():
        return f"this process ({os.getpid()})"
    return f"process {number.decode()}" if number.isdigit() else "another process"
