"""What a coroutine comes to, for commands whose result may be large."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from ..api.loop.gc_tuning import tune_gc

T = TypeVar("T")


def result_of(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does, which takes a second more where the result is large: when it
    restores the handler of SIGINT it has the task, and so the result, described in words, and throws them away."""
    results: list[T] = []
    tune_gc()  # or it would walk through all that is read, again and again

    async def keep() -> None:
        results.append(await work)

    asyncio.run(keep())
    return results[0]
