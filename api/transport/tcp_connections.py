"""All TCP connections of a gateway: how many there may be, how long one may wait, and when one counts as dead.

aiohttp leaves all three open: it accepts as long as there are file descriptors, which the log needs as well, and waits
an hour for a first request. It tells its server of each connection; this listens there.
"""

import asyncio
import logging
import resource
import socket
import time
from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from ..settings import Settings

FIRST_REQUEST_S = 10.0
"""Seconds in which a new connection must have sent a whole request."""
IDLE_S = 75.0
"""Seconds between two requests of one connection."""
SILENT_PEER_S = 30
"""Seconds after which a peer that acknowledges nothing, not even the kernel's probes, counts as gone."""
INSPECT_EVERY_S = 1.0
LOG_EVERY_S = 10.0
OTHER_FILES = 128
"""Descriptors that are left to everything but connections."""
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: Stenogram\r\nContent-Type: text/plain\r\nContent-Length: 51\r\n"
    b"Retry-After: 5\r\nConnection: close\r\n\r\nThis gateway has as many connections as it may have"
)
_PROBES = {"TCP_KEEPIDLE": SILENT_PEER_S // 2, "TCP_KEEPINTVL": SILENT_PEER_S // 6, "TCP_KEEPCNT": 3}
_logger = logging.getLogger(__name__)


class TcpConnections:
    """The connections of a server, from their first byte to their last. `refused` counts those that were too many."""

    def __init__(self, settings: Settings) -> None:
        self.refused = 0
        self._most = most_connections(settings.connections)
        self._most_per_address = settings.connections_per_address or self._most
        self._addresses: dict[RequestHandler, str] = {}
        self._per_address: Counter[str] = Counter()
        self._waiting: dict[RequestHandler, float] = {}
        self._logged_at = -LOG_EVERY_S

    def watch(self, server: web.Server) -> None:
        """Hear of the connections of this server."""
        self._made, self._lost = server.connection_made, server.connection_lost
        server.connection_made = self._on_made  # type: ignore[method-assign]
        server.connection_lost = self._on_lost  # type: ignore[method-assign]

    def __len__(self) -> int:
        return len(self._addresses)

    async def inspect(self) -> None:
        """End connections that do not send a request. Runs until it is cancelled."""
        while True:
            await asyncio.sleep(INSPECT_EVERY_S)
            now = time.monotonic()
            for handler, since in tuple(self._waiting.items()):
                if now - since < FIRST_REQUEST_S:
                    break  # the others are younger
                handler.force_close()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A connection has sent a request."""
        self._waiting.pop(request.protocol, None)
        return await handler(request)

    def _on_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        self._made(handler, transport)
        address = _address(transport)
        if len(self) >= self._most or self._per_address[address] >= self._most_per_address:
            # Put off: aiohttp begins to serve it after this, and must find it open.
            asyncio.get_running_loop().call_soon(self._refuse, address, transport)
            return
        self._addresses[handler] = address
        self._per_address[address] += 1
        self._waiting[handler] = time.monotonic()
        _find_out_when_gone(transport.get_extra_info("socket"))

    def _on_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        self._lost(handler, exc)
        self._waiting.pop(handler, None)
        address = self._addresses.pop(handler, None)
        if address is not None:
            self._per_address[address] -= 1
            if not self._per_address[address]:
                del self._per_address[address]

    def _refuse(self, address: str, transport: asyncio.Transport) -> None:
        self.refused += 1
        transport.write(_FULL)
        transport.close()
        if time.monotonic() - self._logged_at >= LOG_EVERY_S:
            self._logged_at = time.monotonic()
            _logger.warning(
                "a connection from %s was refused, the %dth: there are %d, %d of them from there",
                *(address, self.refused, len(self), self._per_address[address]),
            )


def most_connections(wanted: int) -> int:
    """How many connections there may be: fewer than wanted where the process may not open so many files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else min(wanted, max(files - OTHER_FILES, files // 2))


def _address(transport: asyncio.Transport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _find_out_when_gone(connection: Any) -> None:
    """Have the kernel end a connection whose peer is gone without a word, with something to send to it or without."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in {**_PROBES, "TCP_USER_TIMEOUT": SILENT_PEER_S * 1_000}.items():
        if hasattr(socket, name):  # the last one is Linux's
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
