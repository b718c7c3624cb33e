"""A block of code that can be cancelled from outside without its asyncio task being cancelled.

    entered → (cancelled: CancelledError is thrown into the block) → left

It counts as `asyncio.timeout` does: cancelling adds one request to the asyncio task (`Task.cancel`), leaving takes it
back (`Task.uncancel`). The block's CancelledError ends at the block only if no other request is left, so that somebody
else's cancellation, before, meanwhile or after, always goes on outwards.
"""

import asyncio


class CancelScope:
    """One block, in one asyncio task. A block that catches CancelledError has caught it: it is thrown once."""

    def __init__(self) -> None:
        self.cancelled = False
        self._task: asyncio.Task[object] | None = None
        self._before = 0
        self._thrown = False

    def enter(self) -> None:
        """The running asyncio task enters the block. When it was cancelled already, the block ends where it first
        waits."""
        task = asyncio.current_task()
        assert task is not None
        self._task, self._before = task, task.cancelling()
        if self.cancelled:
            self._throw_soon()

    def cancel(self) -> None:
        """End the block: throw CancelledError where it waits. Idempotent, and without effect once it was left."""
        if not self.cancelled:
            self.cancelled = True
            if self._task is not None:
                self._throw_soon()

    def leave(self, error: BaseException | None) -> bool:
        """The block ends with this error; whether that is the scope's own cancellation and goes no further."""
        task, self._task = self._task, None
        if task is None or not self._thrown:
            return False
        return task.uncancel() <= self._before and isinstance(error, asyncio.CancelledError)

    def _throw_soon(self) -> None:
        """In the next turn of the loop, when the block waits: a block that cancels itself, or ends without waiting,
        must not carry a cancellation out that nobody takes back."""
        asyncio.get_running_loop().call_soon(self._throw)

    def _throw(self) -> None:
        if self._task is not None:
            self._thrown = True
            self._task.cancel()
