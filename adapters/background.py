"""A thread with an event loop of its own, for what is called from any thread and any loop.

Frameworks call their stores from where they like: synchronously, from several threads, from loops that come and go. A
client lives in one loop. So the client of a store lives in this one, and each call is carried out there.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")
CLOSE_TIMEOUT_S = 10.0


class Background:
    """Starts its thread with the first call. `end` is called in the loop when it is closed. The thread does not keep
    the process alive."""

    def __init__(self, end: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._end = end
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        """Carry it out, and wait for it. Not from the loop itself. Interrupted (Ctrl-C), it is cancelled."""
        if threading.current_thread() is self._thread:
            call.close()
            raise RuntimeError("A synchronous call from the store's own loop would wait for itself for good.")
        future = self.submit(call)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def arun(self, call: Coroutine[Any, Any, T]) -> T:
        """Carry it out, and wait for it in the caller's loop. Cancelled, it is cancelled there."""
        return await asyncio.wrap_future(self.submit(call))

    def close(self) -> None:
        """End what goes on, and the thread. Idempotent; a call afterwards starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result(CLOSE_TIMEOUT_S)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSE_TIMEOUT_S)

    def submit(self, call: Coroutine[Any, Any, T]) -> "Future[T]":
        """Carry it out, without waiting for it."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = threading.Thread(target=_serve, args=(self._loop,), name="stenogram-store", daemon=True)
                self._thread = run
                run.start()
            return asyncio.run_coroutine_threadsafe(call, self._loop)


class LoopLock:
    """A lock that outlives loops: each has one of its own here. A `Background` that was closed starts with a new loop,
    and what was waited for in one cannot be in another."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    @property
    def here(self) -> asyncio.Lock:
        """That of the loop that runs."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock


class InBackground:
    """What has its client in a `Background`: it ends with the block (`async with`), or by `aclose`."""

    _background: Background

    async def aclose(self) -> None:
        """Close the connection and end the thread behind it, without holding the caller's loop. Idempotent."""
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._background.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class InThreads(InBackground):
    """The same for synchronous programs, too: it also ends with a block of theirs (`with`)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut()


def in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    """Have something called in a loop, from any thread; not if that is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run the loop until it is stopped; then end what is left in it."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
