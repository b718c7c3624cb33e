"""New instructions for work that goes on: the `steer` signals that concern it, in the order they were heard."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from ...domain.concepts.signals import Signal


class Steering:
    """`await steering.next()`, or `async for instruction in steering`: waits for the next one. `take()` does not wait.

    An instruction is any JSON value. Taking one honours its signal: whoever gave it sees that it was heeded. Several
    may hear the same instruction (an agent's tasks, side by side); the first to take it honours it. Iteration ends
    when the work does.
    """

    def __init__(self, honour: Callable[[str], object]) -> None:
        self._honour = honour
        self._heard: deque[Signal] = deque()
        self._wake = asyncio.Event()
        self._ended = False

    def __bool__(self) -> bool:
        """Whether there is an instruction that was not taken."""
        return bool(self._heard)

    def take(self) -> Any:
        """The next instruction; None when there is none."""
        if not self._heard:
            return None
        signal = self._heard.popleft()
        self._honour(signal.id)
        return signal.body

    async def next(self) -> Any:
        """Wait for the next instruction. Cancelling loses none. Raises StopAsyncIteration once the work has ended."""
        while not self._heard:
            if self._ended:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self.take()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        return await self.next()

    def hear(self, signal: Signal) -> None:
        """An instruction came."""
        self._heard.append(signal)
        self._wake.set()

    def end(self) -> None:
        """Nothing more will be taken."""
        self._ended = True
        self._wake.set()
