"""The PostgreSQL engine: the port over one schema of a database, beside any number of other processes.

Writers compare and advance the one row of the table `log`, in the statement that also writes the batch. The row is
locked until the commit, so positions are contiguous and in commit order, and a reader that has come to the end of the
log has missed nothing. Commits are synced to the disk before `write` returns, as far as the server is set so.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from operator import attrgetter
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from ...domain.errors import LogFailed, LogReadOnly, LogUnreadable
from ...domain.ids import Position, SessionId, Version
from ..engine import LogHead
from ..records import Batch, GatewayHeartbeat, ProducerState, Record, Snapshot
from . import reading, sql
from .database import Database
from .failures import CHECK_ADDRESS, Lost, explain, is_lost
from .identity import UNKNOWN, LogIdentity, check
from .listener import Subscriber
from .migrations import check_condition, check_version, migrate
from .pool import Pool
from .sql import within
from .writing import Attempt

T = TypeVar("T")
P = ParamSpec("P")
Found = TypeVar("Found", bound=Iterable[object])

_OPEN_WITHIN_S = 30.0  # seconds; another process that makes the tables has the lock meanwhile
_SHORTEST_POLL_S, _LONGEST_POLL_S = 0.01, 0.2  # seconds
_position = attrgetter("position")
_IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)


class PostgresEngine:
    """One log, in a schema of `database` (its address names it; a tenant's is beside it). An engine is opened once;
    open a new one after `close`. With `read_only` nothing is created or changed, without `create` no log is made."""

    name = "postgres"
    shared = True

    def __init__(self, database: Database, *, tenant: str = "", read_only: bool = False, create: bool = True) -> None:
        address = database.address.of_tenant(tenant) if tenant else database.address
        self.database = database
        self.schema = address.schema
        self.writable = not read_only
        self._create = create and not read_only
        self._subscriber = Subscriber(self.schema, secrets.token_hex(4))
        self._identity = UNKNOWN
        self._writer_lock: AsyncConnection[Any] | None = None
        self._writing = asyncio.Lock()
        self._open = False

    async def open(self) -> LogHead:
        """Raises LogUnreadable if it cannot be reached, is no log or has another schema. An empty schema becomes a
        log; an older one is left as it is."""
        self.database.enter()
        self._open = True
        try:
            await self._check()
            self.database.listen(self._subscriber)
            return await self.head()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Waits for a write in progress, also one whose task was cancelled."""
        if self._open:
            self._open = False
            self.database.listener.remove(self._subscriber)
            async with self._writing:
                await self.database.leave()

    async def head(self) -> LogHead:
        """Raises LogReplaced if this is not the log that was opened, or it has lost what was in it."""
        end = await self._read(check, self._identity, self.writable)
        self._identity = max(end, self._identity, key=_position)
        return LogHead(end.position, end.epoch)

    async def time(self) -> float:
        return await self._run(self.database.readers, reading.read_time)

    async def write(self, batch: Batch) -> None:
        """Writes in the order of asking, to the log that was opened only. When the connection is lost it finds out
        whether the batch is in the log, and tries again if not; when that takes too long it raises LogFailed, and the
        batch may be there or not."""
        if not self.writable:
            raise LogReadOnly("This log was opened for reading; write in a process that opened it to write.")
        async with self._writing:
            attempt = Attempt(self.schema, self._identity, batch, self._subscriber.name)
            if not await self._write_locked(attempt):
                await self._run(self.database.writers, attempt)
            self._remember(batch.records)

    @asynccontextmanager
    async def hold_writers(self) -> AsyncIterator[None]:
        """Locks the row of the log. A process that hangs loses the lock after a second; a write then finds the log as
        it is, like one without the lock."""
        try:
            async with self.database.writers.borrow() as connection:
                await connection.execute(within(self.schema, sql.LOCK_LOG))
                self._writer_lock = connection
                try:
                    yield
                finally:
                    self._writer_lock = None
                    if connection.info.transaction_status in _IN_TRANSACTION:
                        with suppress(psycopg.Error):
                            await connection.execute(sql.ROLLBACK)
        except Lost as lost:
            raise lost.failure() from lost.__cause__

    async def read_session(self, session: SessionId, after: int, limit: int) -> list[Record]:
        return await self._page(reading.read_session, session, after, limit)

    async def read_wires(self, session: SessionId, after: int, limit: int) -> tuple[list[int], list[bytes]]:
        return await self._page(reading.read_wires, session, after, limit)

    async def read_log(self, after: int, limit: int) -> list[Record]:
        records = await self._page(reading.read_log, after, limit)
        self._remember(records)
        return records

    async def read_keys(self, keys: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Record]:
        return await self._read(reading.read_keys, keys)

    async def read_heads(self, subjects: Collection[tuple[SessionId, str]]) -> dict[tuple[SessionId, str], Version]:
        return await self._read(reading.read_heads, subjects)

    async def read_producers(
        self, producers: Collection[tuple[SessionId, str]]
    ) -> dict[tuple[SessionId, str], ProducerState]:
        return await self._read(reading.read_producers, producers)

    async def list_sessions(self, after: str, limit: int, prefix: str = "") -> list[tuple[SessionId, Version]]:
        return await self._read(reading.list_sessions, after, limit, prefix)

    async def read_subject(self, sessions: Sequence[SessionId], subject: str) -> list[Record]:
        return await self._read(reading.read_subject, sessions, subject)

    async def read_tracking(self, name: str) -> Position:
        return await self._read(reading.read_tracking, name)

    async def read_live(self, after: str, limit: int) -> list[SessionId]:
        return await self._read(reading.read_live, after, limit)

    async def read_snapshot(self, session: SessionId, code: str) -> Snapshot | None:
        return await self._read(reading.read_snapshot, session, code)

    async def write_snapshot(self, snapshot: Snapshot) -> None:
        await self._run(self.database.writers, reading.write_snapshot, self.schema, snapshot)

    async def exchange_heartbeats(self, own: GatewayHeartbeat, gone: Collection[str]) -> list[GatewayHeartbeat]:
        return await self._run(self.database.writers, reading.exchange_heartbeats, self.schema, own, gone)

    async def lags(self) -> bool:
        return await self._run(self.database.readers, reading.is_standby)

    async def changed(self, after: Position, timeout: float) -> bool:
        """Waits for a notification of another writer. Where none can come it asks, every 10 ms at first and every
        200 ms after a while; and in any case at the end."""
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + timeout, _SHORTEST_POLL_S
        notified = self._subscriber.notified
        while self._identity.position <= after and not (notified.is_set() and not self._subscriber.may_have_missed):
            if notified.is_set():
                notified.clear()  # before asking: cleared after it, one that comes meanwhile would be lost
                self._subscriber.may_have_missed = False
                if await self._is_beyond(after):
                    break
            listens = self.database.listener.live  # may change at any await: read again in each round
            if not listens and await self._is_beyond(after):
                break
            left = deadline - loop.time()
            if left <= 0:
                return await self._is_beyond(after)
            with suppress(TimeoutError):
                async with asyncio.timeout(left if listens else min(pause, left)):
                    await notified.wait()
            pause = min(pause * 1.25, _LONGEST_POLL_S)
        notified.clear()
        return True

    async def _is_beyond(self, position: Position) -> bool:
        return (await self.head()).position > position

    async def _check(self) -> None:
        """Look at the database and the log's schema before anything else is done with them."""
        try:
            deadline = asyncio.get_running_loop().time() + _OPEN_WITHIN_S
            async with self.database.writers.borrow(deadline) as connection:
                await check_condition(connection, self.writable)
                if not await check_version(connection, self.schema):
                    if not self._create:
                        raise LogUnreadable(f"There is no log {self.schema!r} in the database; {self._remedy}.")
                    await migrate(connection, self.schema)
        except Lost as lost:
            shown = self.database.address.shown
            raise LogUnreadable(f"{shown} cannot be opened: {lost}. {CHECK_ADDRESS}") from lost.__cause__

    @property
    def _remedy(self) -> str:
        return (
            "restore it, or make a new one with `stenogram migrate`"
            if self.writable
            else "check the address, or start a gateway, which makes it"
        )

    async def _write_locked(self, attempt: Attempt) -> bool:
        """Write with the connection that has the row locked, and end its transaction. False if there is none, or it was
        lost."""
        connection, self._writer_lock = self._writer_lock, None
        if connection is None:
            return False
        try:
            await attempt(connection, last=sql.COMMIT)
        except psycopg.Error as error:
            if not is_lost(connection, error):
                raise explain(error) from error
            return False
        return True

    async def _page(
        self,
        work: Callable[Concatenate[AsyncConnection[Any], str, LogIdentity, P], Awaitable[Found]],
        *args: P.args,
        **more: P.kwargs,
    ) -> Found:
        """A page of the log that was opened. Where there is nothing, it may be because this is another one."""
        page = await self._read(work, self._identity, *args, **more)
        if not any(page):
            await self.head()
            if not self.writable:
                # A standby may have replayed in between what it lacked: the page was empty because it was behind, and
                # would be taken for the end of what is known to go on.
                page = await self._read(work, self._identity, *args, **more)
        return page

    def _remember(self, records: Sequence[Record]) -> None:
        if records:
            self._identity = self._identity.followed_by(records[-1])

    async def _read(
        self, work: Callable[Concatenate[AsyncConnection[Any], str, P], Awaitable[T]], *args: P.args, **more: P.kwargs
    ) -> T:
        return await self._run(self.database.readers, work, self.schema, *args, **more)

    async def _run(
        self,
        pool: Pool,
        work: Callable[Concatenate[AsyncConnection[Any], P], Awaitable[T]],
        *args: P.args,
        **more: P.kwargs,
    ) -> T:
        if not self._open:
            raise LogFailed("The log is closed; open it again.")
        return await pool.run(work, *args, **more)
