"""A log in memory: the whole log with every guarantee but durability, in a millisecond."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from ..log.log import Log
from ..log.memory import MemoryEngine


@asynccontextmanager
async def memory_log(**options: Any) -> AsyncIterator[Log]:
    """An open, empty log; `options` are those of `Log`. At its end what waits is answered, and everything forgotten."""
    async with Log(MemoryEngine(), **options) as log:
        yield log
