"""Flow control of one transport: knows when it is full, and tells when it takes more.

aiohttp's protocol keeps its own pause to itself, so `FlowControl` stands between the transport and it (asyncio's public
`set_protocol`), passes everything on, and takes note of pauses. Nothing polls and nothing waits per connection.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

HIGH_WATER_BYTES = 256 * 1024


class FlowListener(Protocol):
    """Who wants to know."""

    def paused(self) -> None:
        """The transport is full."""

    def resumed(self) -> None:
        """The transport takes more again."""

    def lost(self) -> None:
        """The connection is gone."""


class FlowControl(asyncio.Protocol):
    """Passes everything on to the transport's protocol, and tells `owner` of pauses and of the end. What comes in goes
    to `receive` instead, if that is given."""

    __slots__ = ("_inner", "_owner", "data_received")

    def __init__(
        self, transport: asyncio.Transport, owner: FlowListener, receive: Callable[[bytes], object] | None = None
    ) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner = inner
        self._owner = owner
        self.data_received = receive or inner.data_received  # type: ignore[method-assign, assignment]  # a hop less
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        transport.set_protocol(self)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on and tell."""
        self._inner.connection_lost(exc)
        self._owner.lost()

    def pause_writing(self) -> None:
        """Pass on and tell."""
        self._inner.pause_writing()
        self._owner.paused()

    def resume_writing(self) -> None:
        """Pass on and tell."""
        self._inner.resume_writing()
        self._owner.resumed()
