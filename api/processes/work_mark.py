"""Whose code the process that folds views runs at the moment, in memory that it shares with its gateway.

What is written there is there also after that process was killed, whatever killed it. So the gateway can tell in whose
handler it ended, or how long one has kept it.
"""

import mmap
import struct
import tempfile
import time
from typing import NamedTuple

_LAYOUT = struct.Struct("=qqd")


class AtWork(NamedTuple):
    """Code of this build runs, since then (`time.monotonic`, which is one clock for all processes). Tenants count from
    0 in the order in which the process was told of them."""

    tenant: int
    build: int
    since: float


class WorkMark:
    """The shared memory; `fd` is the file under it, which the other process is to inherit."""

    def __init__(self, fd: int | None = None) -> None:
        """A new one, or the one under `fd`. Raises OSError."""
        self._file = None
        if fd is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with this
            self._file.truncate(mmap.PAGESIZE)
            fd = self._file.fileno()
        self.fd = fd
        self._memory = mmap.mmap(fd, mmap.PAGESIZE)

    def set(self, tenant: int, build: int) -> None:
        """Say whose code runs from now on; build 0: nobody's."""
        _LAYOUT.pack_into(self._memory, 0, tenant, build, time.monotonic())

    def get(self) -> AtWork | None:
        """Whose code runs, or ran last in a process that has ended; None: nobody's. While the other process writes this
        may be half of one and half of another: only what is the same for a while is to be believed."""
        found = AtWork(*_LAYOUT.unpack_from(self._memory))
        return found if found.build else None

    def close(self) -> None:
        """Give it back."""
        self._memory.close()
        if self._file is not None:
            self._file.close()
