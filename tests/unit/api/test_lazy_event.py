"""A gate does what asyncio's event does; what a turn puts off is done at its end."""

import asyncio

from stenogram.api.loop.lazy_event import LazyEvent
from stenogram.api.loop.tick_batcher import TickBatcher


async def test_whoever_waits_passes_when_it_is_set_even_if_it_is_cleared_at_once() -> None:
    gate = LazyEvent()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(2)]
    await asyncio.sleep(0)
    gate.set()
    gate.clear()
    await asyncio.wait_for(asyncio.gather(*waiting), 30)
    assert not gate.is_set()


async def test_nobody_waits_at_a_gate_that_is_set() -> None:
    gate = LazyEvent(is_set=True)
    await asyncio.wait_for(gate.wait(), 30)
    gate.clear()
    late = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    assert not late.done()
    late.cancel()
    gate.set()
    await asyncio.wait_for(gate.wait(), 30)


async def test_what_is_put_off_is_done_in_its_order_and_once() -> None:
    turn, done = TickBatcher(), list[int]()
    for number in range(3):
        turn.at_end(lambda number=number: done.append(number))  # type: ignore[misc]
    assert not done
    await asyncio.sleep(0)
    turn.at_end(lambda: done.append(9))
    await asyncio.sleep(0)
    assert done == [0, 1, 2, 9]
