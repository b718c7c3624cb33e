"""What waits to be written to the socket.

Frames leave in the order in which they were put, joined into as few messages as the gateway's limits allow. The outbox
holds nothing while there is no connection: whoever wants a frame sent again puts it there anew at the next one.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

import orjson

from ...domain.errors import Invalid


class Outgoing:
    """A frame to send; `sent` once it was handed to a socket, be it that of a lost connection."""

    __slots__ = ("frame", "sent")

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.sent = False


class Outbox:
    """Open while there is a connection. Never blocks who puts: what puts is bounded by itself (commands by their
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
        self._open = False
        self._queue.clear()
        self._wake.clear()
        self._drained.set()

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

    async def take(self, count: int, size: int) -> str:
        """The next message: up to `count` frames of `size` bytes together, and at least one."""
        while not self._queue:
            self._drained.set()
            self._wake.clear()
            await self._wake.wait()
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


def encode(frame: dict[str, Any]) -> bytes:
    """A frame as JSON; pydantic models inside it (parts of messages) are written as such. Raises Invalid."""
    try:
        return orjson.dumps(frame, default=_plain)
    except TypeError as error:
        raise Invalid(f"This cannot be sent as JSON: {error}.") from None


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"{type(value).__name__} is no JSON value")
    return dump(mode="json", exclude_none=True)
