"""Long bodies are read beside the loop, one at a time: many threads at that would leave the loop little of its core."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ...log.turns import Turns
from ..access.principal import Principal

P = ParamSpec("P")
T = TypeVar("T")
BESIDE_BYTES = 65_536
"""A longer body is read beside the loop."""
MOST_WAITING = 32
MOST_WAITING_EACH = 16
"""Bodies that wait, of all and of one participant: each is held in memory."""
WAIT_S = 30.0


class LongBodies:
    """Reads them."""

    def __init__(self) -> None:
        self._turns = Turns("bodies of recordings", 1, waiting=MOST_WAITING, waiting_each=MOST_WAITING_EACH)

    async def read(self, principal: Principal, size: int, work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
        """Do what takes long for so many bytes of a principal's body. Raises Overloaded."""
        if size <= BESIDE_BYTES:
            return work(*args, **more)
        async with self._turns.of((principal.tenant, principal.participant), WAIT_S):
            return await asyncio.to_thread(work, *args, **more)
