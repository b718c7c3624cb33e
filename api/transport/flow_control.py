"""Flow control of one transport: says when it is full, and when it takes more.

aiohttp's protocol keeps its own pause to itself, so `FlowControl` is put between the transport and it (asyncio's public
`set_protocol`), passes everything on, and reports pauses. Nothing polls and nothing waits per connection.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

HIGH_WATER_BYTES = 256 * 1024


class FlowListener(Protocol):
    """What pauses and the end are reported to."""

    def paused(self) -> None:
        """The transport is full."""

    def resumed(self) -> None:
        """The transport takes more again."""

    def lost(self) -> None:
        """The connection is gone."""


class FlowControl(asyncio.Protocol):
    """Passes everything on to the transport's protocol, and reports pauses and the end to `listener`. What comes in
    goes to `receive` instead, if that is given."""

    __slots__ = ("_inner", "_listener", "data_received")

    def __init__(
        self, transport: asyncio.Transport, listener: FlowListener, receive: Callable[[bytes], object] | None = None
    ) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner = inner
        self._listener = listener
        self.data_received = receive or inner.data_received  # type: ignore[method-assign, assignment]  # a hop less
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        transport.set_protocol(self)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on and report."""
        self._inner.connection_lost(exc)
        self._listener.lost()

    def pause_writing(self) -> None:
        """Pass on and report."""
        self._inner.pause_writing()
        self._listener.paused()

    def resume_writing(self) -> None:
        """Pass on and report."""
        self._inner.resume_writing()
        self._listener.resumed()
