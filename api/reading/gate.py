"""The gate before long reads: how many at once are let through, and who waits.

Of each participant one request is answered at a time, and of all a few; the others wait, a bounded number of them for a
bounded time, and then are told to come back. A client that hangs up waits no longer, and what was done for it alone is
given up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from aiohttp import web

from ...log.engine import PAGE_BYTES
from ...log.turns import Turn, Turns
from ..access.principal import Principal
from ..http.moments import Asked

AT_ONCE = 4
MOST_WAITING = 256
MOST_WAITING_EACH = 32
"""Requests of one participant that wait."""
WAIT_S = 30.0
LOOK_S = 0.25
"""Seconds after which it is noticed that a client has hung up."""

Answer = Callable[[Asked, web.Request, Principal, Turn], Awaitable[web.StreamResponse]]
"""Answers a request of a principal. The turn may be ended as soon as only sending is left to do."""


class ReadingGate:
    """Lets requests through to what answers them (the port `LongReads`); `most_here` as there. `prepare` is to be
    called when somebody is likely to ask soon."""

    def __init__(self, answer: Answer, most_here: int = PAGE_BYTES, prepare: Callable[[], None] = lambda: None) -> None:
        self.most_here = most_here
        self.prepare = prepare
        self.turns = Turns("long reads", AT_ONCE, waiting=MOST_WAITING, waiting_each=MOST_WAITING_EACH)
        self._answer = answer

    async def answer(self, asked: Asked, request: web.Request, principal: Principal) -> web.StreamResponse:
        """See `LongReads`."""
        return await _until_gone(request, self._in_turn(asked, request, principal))

    async def _in_turn(self, asked: Asked, request: web.Request, principal: Principal) -> web.StreamResponse:
        async with self.turns.of((principal.tenant, principal.participant), WAIT_S) as turn:
            return await self._answer(asked, request, principal, turn)


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
