"""Long bodies of recordings are read one at a time, beside the loop."""

import asyncio
import threading

import pytest

from stenogram.api.access.principal import Principal
from stenogram.api.recording.long_bodies import BESIDE_BYTES, MOST_WAITING_EACH, LongBodies
from stenogram.domain.errors import Overloaded


async def test_one_at_a_time_and_the_loop_goes_on() -> None:
    long_bodies, at_work, most = LongBodies(), 0, 0
    lock, begun, end = threading.Lock(), threading.Event(), threading.Event()

    def work() -> None:
        nonlocal at_work, most
        with lock:
            at_work, most = at_work + 1, max(most, at_work + 1)
        begun.set()
        assert end.wait(30)
        with lock:
            at_work -= 1

    who = [Principal(f"recorder-{number}", "service") for number in range(5)]
    tasks = [asyncio.create_task(long_bodies.read(each, BESIDE_BYTES + 1, work)) for each in who]
    assert await asyncio.to_thread(begun.wait, 30)
    assert await long_bodies.read(who[0], BESIDE_BYTES, lambda: "short") == "short"
    end.set()
    await asyncio.gather(*tasks)
    assert most == 1


async def test_who_has_too_many_waiting_is_refused() -> None:
    long_bodies, end = LongBodies(), threading.Event()
    who = Principal("recorder", "service")
    tasks = [
        asyncio.create_task(long_bodies.read(who, BESIDE_BYTES + 1, end.wait, 10)) for _ in range(MOST_WAITING_EACH + 1)
    ]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await long_bodies.read(who, BESIDE_BYTES + 1, end.wait, 10)
    end.set()
    assert await asyncio.gather(*tasks) == [True] * len(tasks)
