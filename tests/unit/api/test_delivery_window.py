"""The pump's window: an event that comes alone goes out at once, and those in quick succession wait for company."""

import asyncio
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from stenogram.api.delivery import window
from stenogram.api.delivery.pump import SLICE_S, Pump

LONG_S = 60.0
"""A window that closes in no test."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock of a wide window; it stands still but for what a test adds to `now`."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(window, "MAX_WINDOW_S", LONG_S)
    monkeypatch.setattr(window, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


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
    await turns()
    delivering.call_when_window_closes(gone.set)
    await turns(1)
    assert gone.is_set()


async def test_what_comes_after_a_long_delivery_waits_for_company(clock: SimpleNamespace) -> None:
    delivering, early, late = Pump(), asyncio.Event(), asyncio.Event()

    def long() -> Iterator[None]:
        clock.now += LONG_S
        yield

    delivering.start(long(), no_failure)
    await turns()
    delivering.call_when_window_closes(early.set)
    await turns()
    assert not early.is_set()
    clock.now += LONG_S - 0.05
    delivering.call_when_window_closes(late.set)
    await late.wait()


async def test_what_comes_during_a_delivery_waits_for_the_window_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    delivering, early, late = Pump(), asyncio.Event(), asyncio.Event()

    def endless() -> Iterator[None]:
        while not late.is_set():
            time.sleep(SLICE_S)
            yield

    delivering.start(endless(), no_failure)
    delivering.call_when_window_closes(early.set)
    await turns(3)
    assert not early.is_set()
    monkeypatch.setattr(window, "MAX_WINDOW_S", 0.05)
    delivering.call_when_window_closes(late.set)
    await late.wait()
