"""Turns: a few clients at a time, one thing of each, and a bounded number of those who wait."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from stenogram.domain.errors import Overloaded
from stenogram.log.turns import Turns


def turns(at_once: int = 2, waiting: int = 100, waiting_each: int = 100) -> Turns:
    return Turns("the test", at_once, waiting=waiting, waiting_each=waiting_each)


class Crowd:
    """Those who take turns, each until it is let go."""

    def __init__(self, taken: Turns) -> None:
        self._turns = taken
        self.at_work: list[str] = []
        self._go: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Each is called by its client and a number."""
        for name in names:
            self._go[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._work(name))
            await asyncio.sleep(0)
        await self.settle()

    async def go(self, name: str) -> None:
        self._go[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def _work(self, name: str) -> None:
        async with self._turns.of(name[0]):
            self.at_work.append(name)
            await self._go[name].wait()
            self.at_work.remove(name)


async def test_a_client_with_many_wishes_does_not_keep_another_waiting() -> None:
    crowd = Crowd(turns())
    await crowd.come("a1", "a2", "a3", "b1", "c1")
    assert crowd.at_work == ["a1", "b1"]
    await crowd.go("a1")
    assert crowd.at_work == ["b1", "c1"], "a's next wish lines up behind c's first"
    await crowd.go("b1")
    assert crowd.at_work == ["c1", "a2"]


async def test_one_who_gives_up_gives_way() -> None:
    crowd = Crowd(turns(at_once=1))
    await crowd.come("a1", "b1", "c1")
    crowd.tasks["b1"].cancel()
    await crowd.settle()
    await crowd.go("a1")
    assert crowd.at_work == ["c1"]


async def test_too_many_are_refused_at_once() -> None:
    taken = turns(at_once=1, waiting=2, waiting_each=1)
    crowd = Crowd(taken)
    await crowd.come("a1", "a2")
    with pytest.raises(Overloaded, match="Too many wait for the test") as refused:
        async with taken.of("a"):
            pass
    assert refused.value.extra["retry_after"] > 0
    await crowd.come("b1")
    with pytest.raises(Overloaded):
        async with taken.of("c"):
            pass
    assert (taken.waiting, taken.refused) == (2, 2)
    for name in ("a1", "a2", "b1"):
        await crowd.go(name)
    async with taken.of("c"):
        assert taken.waiting == 0


async def test_a_wait_ends_in_time() -> None:
    taken = turns(at_once=1)
    async with taken.of("a"):
        with pytest.raises(Overloaded, match="there is no place"):
            async with taken.of("b", within=0.05):
                pass
    async with taken.of("b", within=0.05):
        pass


async def test_a_turn_that_ends_early_is_the_next_clients() -> None:
    taken = turns(at_once=1)
    async with AsyncExitStack() as stack:
        turn = await stack.enter_async_context(taken.of("a"))
        turn.end()
        await stack.enter_async_context(taken.of("b", within=0.5))
        with pytest.raises(Overloaded):  # of the same client the next one still waits
            async with taken.of("a", within=0.05):
                pass
    async with taken.of("a", within=0.05):
        with pytest.raises(Overloaded):  # a turn that was ended early was not given back twice
            async with taken.of("c", within=0.05):
                pass
