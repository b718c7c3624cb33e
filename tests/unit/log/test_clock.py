"""The log's time is its storage's, told without going back, whatever becomes of the clocks."""

import logging
from datetime import UTC, datetime

import pytest

from stenogram.log.clock import FARTHEST_S, RESOLUTION_S, SLOWED, LogClock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC).timestamp()


class World:
    """The clocks of a storage and of this machine, and how long a question takes there and back."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.storage = self.wall = NOON
        self.there = self.back = 0.0
        self.clock = LogClock(self._read, lambda: self.monotonic, lambda: self.wall)

    def passes(self, seconds: float) -> None:
        """Time passes for everybody."""
        self.monotonic += seconds
        self.storage += seconds
        self.wall += seconds

    async def _read(self) -> float:
        self.passes(self.there)
        answer = self.storage
        self.passes(self.back)
        return answer

    @property
    def told(self) -> float:
        """What the clock says, to a hundredth of a second after this noon."""
        return round(self.clock.now().timestamp() - NOON, 2)


async def started(last: float = 0.0) -> World:
    """A clock that has been started, with the last event at `last` seconds after noon."""
    world = World()
    await world.clock.start(NOON + last)
    return world


async def test_a_machine_whose_clock_is_ahead_tells_the_storages_time() -> None:
    world = World()
    world.wall += 30
    await world.clock.start(0.0)
    assert (world.told, round(world.clock.offset, 2)) == (0.0, 30.0)
    world.passes(5)
    assert world.told == 5.0


async def test_a_clock_that_is_set_back_or_forward_here_changes_nothing() -> None:
    world = await started()
    for step in (-3_600, 7_200):
        world.wall += step
        world.passes(10)
        await world.clock.correct()
    assert world.told == 20.0


async def test_a_storage_that_is_ahead_is_followed_at_once() -> None:
    world = await started()
    world.storage += 30
    await world.clock.correct()
    assert world.told == 30.0


async def test_a_storage_that_was_set_back_makes_nobody_wait_and_is_met_again() -> None:
    world = await started()
    world.storage -= 3_600
    await world.clock.correct()
    assert world.told == 0.0
    world.passes(20)
    assert world.told == 20 * (1 - SLOWED)
    for _ in range(100):
        world.passes(3_600 / SLOWED / 100)
        before = world.told
        await world.clock.correct()
        assert world.told >= before
    assert world.told == round(world.storage - NOON, 2)
    world.passes(20)
    await world.clock.correct()
    assert world.told == round(world.storage - NOON, 2)


async def test_it_goes_on_where_the_last_event_was_written_though_the_clock_was_set_back() -> None:
    assert (await started(last=3_600)).told == 3_600


async def test_an_event_of_the_far_future_does_not_set_the_clock() -> None:
    assert (await started(last=FARTHEST_S + 1)).told == 0.0


async def test_a_storage_that_was_a_day_ahead_is_not_made_up_for_in_weeks(caplog: pytest.LogCaptureFixture) -> None:
    world = await started()
    world.storage -= FARTHEST_S + 1
    with caplog.at_level(logging.WARNING):
        await world.clock.correct()
    assert world.told == -FARTHEST_S - 1
    assert "the clock of the log's storage is 86401 s behind" in caplog.text


@pytest.mark.parametrize(("there", "back"), [(0.4, 0.0), (0.0, 0.4), (0.2, 0.2)])
async def test_a_slow_answer_proves_no_more_than_it_does(there: float, back: float) -> None:
    world = await started()
    world.there, world.back = there, back
    before = world.told
    await world.clock.correct()
    assert world.told == round(before + there + back, 2)


async def test_it_begins_with_the_answer_that_came_soonest() -> None:
    world, times = World(), iter([3.0, 0.5, 2.0])
    read = world._read

    async def slow() -> float:
        world.back = next(times)
        return await read()

    clock = LogClock(slow, lambda: world.monotonic, lambda: world.wall)
    await clock.start(0.0)
    assert round(clock.now().timestamp() - world.storage, 2) == -0.25


async def test_what_comes_within_a_moment_shares_a_time_and_none_is_earlier_than_one_before() -> None:
    world = await started()
    first = world.clock.now()
    world.passes(RESOLUTION_S / 2)
    assert world.clock.now() is first
    world.passes(1)
    later = world.clock.now()
    assert world.clock.now(world.monotonic - 0.5) is later, "asked for when something came that has waited since"


async def test_a_clock_that_is_off_is_logged_once_and_when_it_is_right_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = await started()
    assert caplog.messages == []
    world.wall -= 90
    for _ in range(3):
        await world.clock.correct()
    assert caplog.messages == [
        "this machine's clock is 90.0 seconds behind the log's time, which is kept to; set it right"
    ]
    world.wall += 90
    await world.clock.correct()
    assert caplog.messages[1:] == ["this machine's clock is right again"]
