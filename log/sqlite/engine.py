"""The SQLite engine: the port over one file, without ever blocking the event loop.

One thread writes, with a connection of its own; two read. A writer holds the lock beside the file while it is
open, and SQLite's write-ahead mode lets any number of readers, here and in other processes, read beside it.
Commits are synced to the disk before `write` returns.
"""

import asyncio
import os
import time
from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from ...domain.errors import LogReadOnly, LogReplaced
from ...domain.ids import Position, SessionId, Version
from ..db_threads import DbThreads
from ..engine import LogHead
from ..records import Batch, GatewayHeartbeat, ProducerState, Record, Snapshot
from . import reading
from .connection import Connection
from .failures import explain
from .file import file_id, open_reader, open_writer
from .identity import IdentityFile
from .lock import WriterLock
from .writing import write_batch, write_snapshot

_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.002, 0.05  # seconds


class SqliteEngine:
    """One log in the file `path`. An engine is opened once; open a new one after `close`.

    Beside the file stand `<path>-wal` and `<path>-shm` (SQLite's; to be copied along while the log is open),
    `<path>.lock` and `.<name>.identity`. With `read_only` nothing is created, changed or locked; without `create` no
    log is made.
    """

    name = "sqlite"
    shared = False

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False, create: bool = True) -> None:
        self.path = Path(path).resolve()  # one file, one lock, whatever it is called
        self.writable = not read_only
        self._create = create
        self._lock = WriterLock(self.path)
        self._identity = IdentityFile(self.path)
        self._file: tuple[int, int] | None = None
        self._asked: Position | None = None
        self._writer = DbThreads("stenogram-writer", 1, self._open_writer, explain)
        self._readers = DbThreads("stenogram-reader", 2, self._open_reader, explain)

    async def open(self) -> LogHead:
        """Raises LogInUse if another engine writes this file, LogUnreadable if it is no log or cannot be
        opened, LogReplaced if it is an older copy of the log that was here."""
        try:
            if self.writable:
                await self._writer.run(reading.read_head)
            return await self.head()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Waits for a write in progress, also one whose task was cancelled. Goes on in its thread if
        cancelled."""
        await asyncio.to_thread(self._close)

    async def head(self) -> LogHead:
        """Raises LogReplaced when another file has taken the place of the one that was opened: what is read of that
        one does not change any more."""
        return await self._readers.run(self._read_head)

    async def time(self) -> float:
        """All who share a file are on one machine."""
        return time.time()

    async def write(self, batch: Batch) -> None:
        """Writes in the order of asking. A cancelled write that has begun is carried through in its
        thread."""
        if not self.writable:
            raise LogReadOnly(f"{self.path} was opened for reading; write in the process that opened it to write.")
        await self._writer.run(self._write, batch)

    def hold_writers(self) -> AbstractAsyncContextManager[None]:
        """Nobody else writes in any case."""
        return nullcontext()

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        return (await self._readers.run(reading.read_session, session, after, limit)).records()

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        return await self._readers.run(reading.read_wires, session, after, limit)

    async def read_log(self, after: int, limit: int) -> list[Record]:
        return (await self._readers.run(reading.read_log, after, limit)).records()

    async def read_keys(self, keys: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Record]:
        return await self._readers.run(reading.read_keys, keys)

    async def read_heads(self, subjects: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Version]:
        return await self._readers.run(reading.read_heads, subjects)

    async def read_producers(
        self, producers: Collection[tuple[SessionId, str]]
    ) -> dict[tuple[SessionId, str], ProducerState]:
        return await self._readers.run(reading.read_producers, producers)

    async def list_sessions(self, after: str, limit: int, prefix: str = "") -> list[tuple[SessionId, Version]]:
        return await self._readers.run(reading.list_sessions, after, limit, prefix)

    async def read_subject(self, sessions: Sequence[SessionId], subject: str) -> list[Record]:
        return await self._readers.run(reading.read_subject, sessions, subject)

    async def read_tracking(self, name: str) -> Position:
        return await self._readers.run(reading.read_tracking, name)

    async def read_live(self, after: str, limit: int) -> list[SessionId]:
        return await self._readers.run(reading.read_live, after, limit)

    async def read_snapshot(self, session: SessionId, code: str) -> Snapshot | None:
        return await self._readers.run(reading.read_snapshot, session, code)

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        await self._writer.run(write_snapshot, snapshot)

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: Collection[str]) -> list[GatewayHeartbeat]:
        """There are no others."""
        return []

    async def lags(self) -> bool:
        return False

    async def changed(self, after: Position, timeout: float) -> bool:
        """A reader polls, every 2 ms at first and every 50 ms after a while. Who asks from another place than the last
        time is told after 2 ms to look again: while the log moves on, that saves every second trip to it. While a
        writer holds the lock nobody else can write, so it looks once and then lets the time pass."""
        if self.writable:
            return await self._is_beyond(after) or await asyncio.sleep(timeout, False)
        moving, self._asked = self._asked not in (None, after), after
        if moving:
            await asyncio.sleep(_SHORTEST_POLL_S)
            return True
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + timeout, _SHORTEST_POLL_S
        while not await self._is_beyond(after):
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.25, _LONGEST_POLL_S)
        return True

    async def _is_beyond(self, position: Position) -> bool:
        return (await self.head()).position > position

    def _open_writer(self) -> Connection:
        connection = open_writer(self.path, self._lock.acquire, self._identity.check, create=self._create)
        try:
            self._identity.open(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_reader(self) -> Connection:
        connection = open_reader(self.path)
        try:
            self._identify()
            self._identity.check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _write(self, connection: Connection, batch: Batch) -> None:
        write_batch(connection, batch)
        if batch.records:  # after the commit: an identity that is ahead of its log would look like an older copy
            self._identity.note(batch.records[-1])

    def _read_head(self, connection: Connection) -> LogHead:
        self._identify()
        return reading.read_head(connection)

    def _identify(self) -> None:
        """Make sure that the path leads to the file that was opened first."""
        file = file_id(self.path)
        self._file = self._file or file
        if file != self._file:
            raise LogReplaced(f"{self.path} is another file than the one that was opened; restored? Open it again.")

    def _close(self) -> None:
        # The writer's connection goes last: the one closed last folds the write-ahead file into the log.
        self._readers.close()
        self._writer.close()
        self._identity.close()
        self._lock.release()
