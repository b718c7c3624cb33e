"""Work that several ask for at once is done once, and for nobody it is not done at all."""

import asyncio

import pytest

from stenogram.log.single_flight import SingleFlight


class Work:
    """Work that ends when it is let go, and counts how often it was begun and cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0
        self.go_on = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_done_once_for_all_who_wait() -> None:
    flights, work = SingleFlight[str, int](), Work()
    waiting = [asyncio.create_task(flights.do("a", work)) for _ in range(10)]
    await turn()
    work.go_on.set()
    assert await asyncio.gather(*waiting) == [1] * 10
    assert await flights.do("a", work) == 2, "what has ended is not kept"


async def test_one_who_is_cancelled_leaves_it_to_the_others() -> None:
    flights, work = SingleFlight[str, int](), Work()
    gone, stays = [asyncio.create_task(flights.do("a", work)) for _ in range(2)]
    await turn()
    gone.cancel()
    await turn()
    work.go_on.set()
    assert await stays == 1
    assert work.cancelled == 0


async def test_the_last_one_who_is_cancelled_ends_it() -> None:
    flights, work = SingleFlight[str, int](), Work()
    waiting = [asyncio.create_task(flights.do("a", work)) for _ in range(2)]
    await turn()
    for task in waiting:
        task.cancel()
    await turn()
    assert work.cancelled == 1
    again = asyncio.create_task(flights.do("a", work))
    await turn()
    work.go_on.set()
    assert await again == 2


async def test_what_goes_wrong_is_told_to_all() -> None:
    async def fails() -> int:
        await asyncio.sleep(0)
        raise ValueError("no")

    flights = SingleFlight[str, int]()
    found = await asyncio.gather(*[flights.do("a", fails) for _ in range(3)], return_exceptions=True)
    assert [str(each) for each in found] == ["no"] * 3
    with pytest.raises(ValueError, match="no"):
        await flights.do("a", fails)
