"""The way to the past: who waits for it, and how many at once are let through.

Of each participant one request is answered at a time, and of all a few; the others wait, a bounded number of them for a
bounded time, and then are told to come back. A client that hangs up waits no longer, and what was done for it alone is
given up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from ...domain.audience import Viewer
from ...log.turns import Turn, Turns
from ..access.principal import Principal
from ..http.moments import PastKind

AT_ONCE = 4
MOST_WAITING = 256
MOST_WAITING_EACH = 32
"""Requests of one participant that wait."""
WAIT_S = 30.0
LOOK_S = 0.25
"""Seconds after which it is noticed that a client has hung up."""

Answer = Callable[[PastKind, web.Request, str, Viewer, Turn], Awaitable[web.StreamResponse]]
"""Answers a request of a tenant's viewer. The turn may be ended as soon as only sending is left to do."""


class PastGate:
    """Lets requests through to what answers them (the port `Past`)."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.turns = Turns("reading the past", AT_ONCE, waiting=MOST_WAITING, waiting_each=MOST_WAITING_EACH)

    async def answer(
        self, kind: PastKind, request: web.Request, principal: Principal, viewer: Viewer
    ) -> web.StreamResponse:
        """See `Past`."""
        return await _until_gone(request, self._in_turn(kind, request, principal, viewer))

    async def _in_turn(
        self, kind: PastKind, request: web.Request, principal: Principal, viewer: Viewer
    ) -> web.StreamResponse:
        async with self.turns.of((principal.tenant, principal.participant), WAIT_S) as turn:
            return await self._answer(kind, request, principal.tenant, viewer, turn)


async def _until_gone(request: web.Request, work: Coroutine[Any, Any, web.StreamResponse]) -> web.StreamResponse:
    """Do it, unless the client hangs up; then it is cancelled. Raises ConnectionResetError in that case."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait([task], timeout=LOOK_S))[0]:
            if request.transport is None or request.transport.is_closing():
                raise ConnectionResetError("the client has hung up")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
