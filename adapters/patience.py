"""Requests that are made again while there is no gateway, or it has too much to do.

A question has no retry of its own, as commands have; and a command that has an id is done once, however often it is
sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..client.errors import Unreachable, retry_after
from ..domain.errors import Busy

RETRY_S = 0.2
T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Ask again for so many seconds. Raises Unreachable and Busy then, and everything else at once."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            return await ask()
        except (Unreachable, Busy) as error:
            pause = RETRY_S if isinstance(error, Unreachable) else retry_after(error)
            if loop.time() + pause >= until:
                raise
            await asyncio.sleep(pause)
