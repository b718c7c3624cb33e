"""A fixed number of connections, and what becomes of work when one is lost.

Work borrows an idle connection, or opens one, and gives it back. A connection that broke is dropped; the work is then
done again on a new one, until it succeeds or its time is over. So work must be repeatable: a read is, and a commit that
applies to one position of the log only is as well.

Nothing waits without end. Work that the database does not answer in time has its socket shut down, which its waiter
sees as a lost connection; and a connection that a waiter left in the midst of something is never used again.

(psycopg's own pool backs off from a database that is away for longer and longer, up to minutes, whatever waits; after a
restart every client would see an outage of twice its length.)
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from ...domain.errors import LogFailed
from .failures import Lost, explain, is_lost, reason_of

Connection = AsyncConnection[Any]
T = TypeVar("T")
P = ParamSpec("P")

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5  # seconds between attempts to connect


class Pool:
    """At most `size` connections; `patience` is how many seconds any one call takes at most, about."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int, patience: float) -> None:
        self._connect = connect
        self._size = size
        self._patience = patience
        self._free = asyncio.Semaphore(size)
        self._idle: list[Connection] = []

    async def run(self, work: Callable[Concatenate[Connection, P], Awaitable[T]], *args: P.args, **more: P.kwargs) -> T:
        """Do `work(connection, …)`, again if its connection is lost. Raises LogFailed when that goes on for too long,
        and what `explain` makes of other failures."""
        deadline = asyncio.get_running_loop().time() + self._patience
        pause = _FIRST_PAUSE_S
        while True:
            try:
                async with self.borrow(deadline) as connection:
                    return await work(connection, *args, **more)
            except Lost as lost:
                if asyncio.get_running_loop().time() + pause >= deadline:
                    raise lost.failure() from lost.__cause__
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    @asynccontextmanager
    async def borrow(self, deadline: float | None = None) -> AsyncIterator[Connection]:
        """A connection for the time of the block, which must not go on beyond the deadline (of the loop's clock).
        Raises Lost when there is none, or it is lost meanwhile, and what `explain` makes of other failures."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience if deadline is None else deadline
        await self._wait_free(deadline)
        connection = None
        try:  # from here on the permit must be released, also when the task is cancelled while it connects
            connection = await self._acquire(deadline)
            # Not asyncio.timeout: psycopg answers a cancellation by asking the server to cancel, and then waits for
            # a server that may be gone.
            timer = loop.call_at(deadline, _shut_down_socket, connection)
            try:
                yield connection
            finally:
                timer.cancel()  # or it would shut down the socket under the next one who borrows the connection
        except psycopg.Error as error:
            if connection is None or is_lost(connection, error):
                self._drop_idle()
                if connection is not None:
                    _discard(connection)  # it may be open, and lead to the wrong server
                raise Lost(reason_of(error)) from error
            raise explain(error) from error
        finally:
            self._give_back(connection)
            self._free.release()

    async def close(self) -> None:
        """Wait for work in progress, which is bounded, then close all connections. Later work opens new ones."""
        for _ in range(self._size):
            await self._free.acquire()  # all permits: then nobody is at work, and nobody begins
        for connection in self._idle:
            await connection.close()
        self._idle.clear()
        for _ in range(self._size):
            self._free.release()

    async def _wait_free(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._free.acquire()
        except TimeoutError:
            raise LogFailed("The database is too slow for what is asked of it; try again.", retry_after=1.0) from None

    async def _acquire(self, deadline: float) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        try:
            async with asyncio.timeout_at(deadline):
                return await self._connect()
        except TimeoutError:
            raise Lost("it does not answer") from None

    def _give_back(self, connection: Connection | None) -> None:
        """Back to the idle ones, if it is in order: a transaction that was left open belongs to nobody any more."""
        if connection is None:
            return
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            _discard(connection)

    def _drop_idle(self) -> None:
        """What broke one connection has probably broken all."""
        while self._idle:
            _discard(self._idle.pop())


def _discard(connection: Connection) -> None:
    connection.pgconn.finish()


def _shut_down_socket(connection: Connection) -> None:
    """Shut the connection's socket down under the task that waits for it. Not its descriptor: the loop watches that."""
    with suppress(OSError, psycopg.Error):
        copy = socket.socket(fileno=os.dup(connection.fileno()))
        with copy:
            copy.shutdown(socket.SHUT_RDWR)
