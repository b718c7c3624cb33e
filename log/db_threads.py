"""Threads that use connections: how blocking databases are kept away from the event loop.

A fixed number of threads has at most as many connections. A piece of work borrows an idle connection, or opens one, and
gives it back; so a connection is used by one thread at a time, and work never waits for a connection. One thread does
its work in the order of asking. Work that has begun goes on when the task that awaits it is cancelled.

A busy loop makes way for these threads. Whenever work lets go of the interpreter lock it must win it back, and beside a
loop that never sleeps that was measured to take seconds where a write takes a millisecond (it seems that the loop,
which lets go of the lock only for short system calls, has it again before another thread is awake). So while there is
work the loop sleeps for an instant each millisecond. That was measured to bound the wait to tens of milliseconds, and
to cost a loop with nothing else to wait for about a tenth of its turns, more when the machine itself is overloaded.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, Protocol, TypeVar, TypeVarTuple

from ..domain.errors import LogFailed


class Connection(Protocol):
    """What is needed of a connection."""

    def close(self) -> None:
        """Give it up."""


C = TypeVar("C", bound=Connection)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_YIELD_EVERY_S = 0.001  # between two times that the loop makes way
_YIELD_S = 0.00005  # for which it does so: enough for a thread to wake up


class DbThreads(Generic[C]):
    """`size` threads; `connect` is called in one of them whenever a connection is missing. `explain` makes of what the
    database fails at what is raised instead, and `lost` tells which connections are not to be used again. With `again`,
    work whose connection turns out to be lost is done once more, on a new one: it must be repeatable."""

    def __init__(
        self,
        name: str,
        size: int,
        connect: Callable[[], C],
        explain: Callable[[Exception], Exception],
        lost: Callable[[C], bool] = lambda _: False,
        *,
        again: bool = False,
    ) -> None:
        self._threads = ThreadPoolExecutor(size, thread_name_prefix=name)
        self._connect = connect
        self._explain = explain
        self._lost = lost
        self._again = again
        self._idle: list[C] = []
        self._awaited = 0
        self._yielding = False

    async def run(self, work: Callable[[C, *Ts], T], *args: *Ts) -> T:
        """Do `work(connection, *args)` in a thread. Raises what `explain` makes of a failure, LogFailed once closed."""
        try:
            future = self._threads.submit(self._work, lambda connection: work(connection, *args))
        except RuntimeError:
            raise LogFailed("The log is closed; open it again.") from None
        self._awaited += 1
        try:
            if not self._yielding:  # one timer, however much work there is
                self._yielding = True
                self._yield_soon(asyncio.get_running_loop())
            return await asyncio.wrap_future(future)
        finally:
            self._awaited -= 1

    def close(self) -> None:
        """Wait for the work that has been asked for, then close the connections. Blocks; safe to call
        twice."""
        self._threads.shutdown(wait=True)
        self._drop_idle()

    def _yield_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_YIELD_EVERY_S, self._yield, loop)

    def _yield(self, loop: asyncio.AbstractEventLoop) -> None:
        self._yielding = self._awaited > 0
        if self._yielding:
            time.sleep(_YIELD_S)
            self._yield_soon(loop)

    def _work(self, work: Callable[[C], T]) -> T:
        try:
            connection = self._borrow()
            try:
                return work(connection)
            except Exception:
                if not (self._again and self._lost(connection)):
                    raise
            finally:
                self._give_back(connection)
            return self._once_more(work)
        except Exception as error:
            explained = self._explain(error)
            if explained is error:
                raise
            raise explained from error

    def _once_more(self, work: Callable[[C], T]) -> T:
        connection = self._connect()
        try:
            return work(connection)
        finally:
            self._give_back(connection)

    def _give_back(self, connection: C) -> None:
        if self._lost(connection):
            connection.close()
            self._drop_idle()  # what broke one connection has probably broken all
        else:
            self._idle.append(connection)

    def _borrow(self) -> C:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _drop_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()
