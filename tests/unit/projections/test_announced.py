"""Each step of a worker is announced, for those who watch the process."""

import asyncio

import pytest

from stenogram.projections.runner.announced import NOBODY, Announced


async def _twice(seen: list[int], *, fails: bool = False) -> str:
    seen.append(-1)
    await asyncio.sleep(0)
    seen.append(-1)
    if fails:
        raise ValueError("bad")
    return "done"


async def test_what_it_returns_and_raises_is_its_own() -> None:
    seen = list[int]()
    assert await Announced(_twice(seen), 7, seen.append) == "done"
    assert seen == [7, -1, NOBODY, 7, -1, NOBODY]
    with pytest.raises(ValueError, match="bad"):
        await Announced(_twice(seen, fails=True), 7, seen.append)
    assert seen[-1] == NOBODY


async def test_it_is_cancelled_and_timed_out_as_if_nothing_were_around_it() -> None:
    seen, timed_out = list[int](), asyncio.Event()

    async def long() -> None:
        try:
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        except TimeoutError:
            timed_out.set()
        await asyncio.sleep(10)

    async def announced() -> None:
        await Announced(long(), 7, seen.append)

    task = asyncio.create_task(announced())
    await timed_out.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (seen[-1], task.cancelled()) == (NOBODY, True)
