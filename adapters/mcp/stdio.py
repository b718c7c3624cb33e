"""The MCP server over stdin and stdout: one client, one participant.

When the client closes stdin, or ends the process in good order, the process leaves the sessions that it has joined, and
what it held is back on the board at once. When it is killed, that happens after the lease.
"""

import asyncio
import os
import signal

import aiohttp

from ...client.transport.identity import base_url
from .caller import Caller
from .seat import Seats
from .server import mcp_server

LEAVE_TIMEOUT_S = 5.0


async def serve_stdio(url: str, caller: Caller) -> None:
    """Serve until stdin ends. Raises Unauthenticated for a caller who is nobody, ConfigurationError for a bad URL."""
    url, _ = base_url(url), caller.participant
    async with aiohttp.ClientSession() as http:
        seats = Seats(url, http, caller)
        _leave_on_signals(seats)
        try:
            await mcp_server(seats).run_stdio_async()
        finally:
            await _leave(seats)


async def _leave(seats: Seats) -> None:
    try:
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            await seats.leave_all()
    except TimeoutError:
        pass


def _leave_on_signals(seats: Seats) -> None:
    """The thread that waits for stdin cannot be woken: the process leaves, and ends without it."""
    ending: set[asyncio.Task[None]] = set()

    async def end(code: int) -> None:
        await _leave(seats)
        os._exit(code)

    def begin(number: int) -> None:
        ending.add(asyncio.ensure_future(end(128 + number)))

    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, begin, each)
