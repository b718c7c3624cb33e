"""New instructions for work that goes on: the `steer` signals that concern it, in the order in which they came."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from ...domain.concepts.signals import Signal


class Steering:
    """`await steering.next()`, or `async for instruction in steering`: waits for the next one. `next_nowait()` does not
    wait.

    An instruction is any JSON value. Reading one honours its signal: who gave it sees that it was read. Several may get
    the same instruction (an agent's tasks, side by side); the first to read it honours it. Iteration ends when the work
    does.
    """

    def __init__(self, honour: Callable[[str], object]) -> None:
        self._honour = honour
        self._queue: deque[Signal] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def __bool__(self) -> bool:
        """Whether there is an instruction that was not read."""
        return bool(self._queue)

    def next_nowait(self) -> Any:
        """The next instruction; None when there is none."""
        if not self._queue:
            return None
        signal = self._queue.popleft()
        self._honour(signal.id)
        return signal.body

    async def next(self) -> Any:
        """Wait for the next instruction. Cancelling loses none. Raises StopAsyncIteration once the work has ended."""
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()  # checked above in the same turn: nothing can come between the check and the wait
            await self._wake.wait()
        return self.next_nowait()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self.next()

    def put(self, signal: Signal) -> None:
        """An instruction came."""
        self._queue.append(signal)
        self._wake.set()

    def drop(self, signal: str) -> None:
        """An instruction was withdrawn: unless it was read, nobody reads it any more."""
        self._queue = deque(each for each in self._queue if each.id != signal)

    def end(self) -> None:
        """The work has ended: wake who waits, and nothing more comes."""
        self._ended = True
        self._wake.set()
