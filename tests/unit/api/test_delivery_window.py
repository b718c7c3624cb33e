"""The pump's window: an event that comes alone goes out at once, and those in quick succession wait for company."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from stenogram.api.delivery import window
from stenogram.api.delivery.pump import SLICE_S, Pump


@pytest.fixture(autouse=True)
def wide_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "MAX_WINDOW_S", 0.2)


async def turns(number: int = 5) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def no_failure(error: BaseException) -> None:
    raise error


async def test_what_comes_alone_goes_out_in_this_turn() -> None:
    gone = asyncio.Event()
    Pump().call_when_window_closes(gone.set)
    await turns(1)
    assert gone.is_set()


async def test_what_comes_after_a_quick_delivery_goes_out_at_once() -> None:
    delivering, gone = Pump(), asyncio.Event()
    delivering.start(iter([]), no_failure)
    await asyncio.sleep(0.05)
    delivering.call_when_window_closes(gone.set)
    await turns(1)
    assert gone.is_set()


async def test_what_comes_after_a_long_delivery_waits_for_company() -> None:
    delivering, gone, done = Pump(), asyncio.Event(), asyncio.Event()

    def long() -> Iterator[None]:
        time.sleep(0.2)
        done.set()
        yield

    delivering.start(long(), no_failure)
    await done.wait()
    delivering.call_when_window_closes(gone.set)
    await turns(1)
    assert not gone.is_set()
    await gone.wait()


async def test_what_comes_during_a_delivery_waits_for_the_window_however_long_that_takes() -> None:
    delivering, gone = Pump(), asyncio.Event()

    def endless() -> Iterator[None]:
        while not gone.is_set():
            time.sleep(SLICE_S)
            yield

    delivering.start(endless(), no_failure)
    delivering.call_when_window_closes(gone.set)
    await turns(3)
    assert not gone.is_set()
    await gone.wait()
