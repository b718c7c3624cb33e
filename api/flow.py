"""Flow control of one transport: knows when it is full, and tells when it takes more.

aiohttp's protocol keeps its own pause to itself, so `Flow` stands between the transport and it (asyncio's public
`set_protocol`), passes everything on, and takes note of pauses. Nothing polls and nothing waits per connection.
"""

import asyncio
from collections.abc import Callable

HIGH_WATER = 256 * 1024


class Flow(asyncio.Protocol):
    """Passes everything on to `inner`; `full` while the transport wants no more. `resumed` is called when it does
    again, `lost` when the connection is gone."""

    __slots__ = ("_inner", "_lost", "_resumed", "full")

    def __init__(self, transport: asyncio.Transport, resumed: Callable[[], None], lost: Callable[[], None]) -> None:
        inner = transport.get_protocol()
        assert isinstance(inner, asyncio.Protocol)
        self._inner = inner
        self._resumed = resumed
        self._lost = lost
        self.full = False
        transport.set_write_buffer_limits(high=HIGH_WATER)
        transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Pass on."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on and tell."""
        self._inner.connection_lost(exc)
        self._lost()

    def pause_writing(self) -> None:
        """Pass on and take note."""
        self.full = True
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on and tell."""
        self.full = False
        self._inner.resume_writing()
        self._resumed()
