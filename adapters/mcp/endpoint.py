"""The MCP server over HTTP (streamable HTTP, without sessions of its own): an ASGI application.

A gateway serves it at `/mcp`; whoever calls it is asked for with the same token at that gateway. Any gateway can serve
any call.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from mcp.server.transport_security import TransportSecuritySettings

from .seat import Seats
from .server import mcp_server

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


@asynccontextmanager
async def mcp_endpoint(url: str) -> AsyncIterator[AsgiApp]:
    """The application, for the gateway at this address, for the time of the block."""
    # Without a limit: a connection per call, of which many wait.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        server = mcp_server(Seats(url, http))
        # The gateway has checked origin and host.
        unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(stateless_http=True, transport_security=unchecked)
        async with server.session_manager.run():
            yield server.session_manager.handle_request
