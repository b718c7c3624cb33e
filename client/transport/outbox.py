"""What waits to be written to the socket.

Frames leave in the order in which they were put, joined into as few messages as the gateway's limits allow. The outbox
holds nothing while there is no connection: what must be sent again is put there again when the next one begins.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import orjson

from ...domain.errors import Invalid
from ...domain.wording.json_faults import unwritable

Wire = dict[str, Any]
"""A frame, or an event, as JSON has it."""


class Outgoing:
    """A frame to send; `sent` once it was handed to a socket, be it that of a lost connection."""

    __slots__ = ("frame", "sent")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.sent = False


class Outbox:
    """Open while there is a connection. `put` never waits: those who put are bounded themselves (commands by their
    window, subscriptions by their number)."""

    def __init__(self) -> None:
        self._queue: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._open = False

    def open(self, first: Iterable[Outgoing]) -> None:
        """Begin a connection with these frames."""
        self._open = True
        for outgoing in first:
            self.put(outgoing)

    def close(self) -> None:
        """The connection is gone, and with it what was not sent."""
        # Emptied, not kept: a command that stayed here would be sent twice, since all that is unanswered is sent again.
        self._open = False
        self._queue.clear()
        self._wake.clear()
        self._drained.set()  # nothing will be written any more: whoever flushes must not wait for it

    def put(self, outgoing: Outgoing) -> None:
        """Send a frame, unless there is no connection."""
        if self._open:
            self._queue.append(outgoing)
            self._wake.set()
            self._drained.clear()

    def withdraw(self, outgoing: Outgoing) -> bool:
        """Take a frame back; false when a socket has had it."""
        if outgoing.sent:
            return False
        if outgoing in self._queue:
            self._queue.remove(outgoing)
        return True

    async def next_message(self, count: int, size: int) -> str:
        """Wait for the next message: up to `count` frames of `size` bytes together, and at least one. Cancelling loses
        none."""
        while not self._queue:
            # Only here, and not when the queue becomes empty: its last frames have been handed to the socket by now.
            self._drained.set()
            self._wake.clear()
            await self._wake.wait()
        # No await from here on: frames that were popped and not returned would be lost though they count as sent.
        frames = [self._pop()]
        total = len(frames[0]) + 2
        while self._queue and len(frames) < count and total + len(self._queue[0].frame) + 1 <= size:
            frames.append(self._pop())
            total += len(frames[-1]) + 1
        return (frames[0] if len(frames) == 1 else b"[" + b",".join(frames) + b"]").decode()

    async def drained(self) -> None:
        """Wait until nothing waits to be written."""
        await self._drained.wait()

    def _pop(self) -> bytes:
        outgoing = self._queue.popleft()
        outgoing.sent = True
        return outgoing.frame


def encode(frame: Wire) -> bytes:
    """A frame as JSON; pydantic models inside it (parts of messages) are written as such. Raises Invalid."""
    try:
        return orjson.dumps(frame, default=_plain)
    except TypeError as error:
        raise Invalid(f"This cannot be sent as JSON: {unwritable(error)}.") from None


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return dump(mode="json", exclude_none=True)
