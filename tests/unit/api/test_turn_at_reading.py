"""How much of the gateway's time a connection may take by what it sends."""

import asyncio

import pytest

from stenogram.api.access.rate_limit import FRAMES_AT_ONCE, FRAMES_PER_SECOND, FrameBudget
from stenogram.api.loop.tick_batcher import TickBatcher
from stenogram.api.transport.turn_at_reading import COMMANDS_PER_TURN, TurnAtReading
from stenogram.log.commit.rest import MAX_REST_S, rest_after


def test_frames_within_the_budget_cost_no_rest() -> None:
    budget = FrameBudget(0.0)
    assert [budget.spend(1, 0.0) for _ in range(FRAMES_AT_ONCE)] == [0.0] * FRAMES_AT_ONCE


def test_beyond_it_a_connection_rests_until_it_is_made_up_for() -> None:
    budget = FrameBudget(0.0)
    budget.spend(FRAMES_AT_ONCE, 0.0)
    assert budget.spend(50, 0.0) == pytest.approx(50 / FRAMES_PER_SECOND)
    assert budget.spend(1, 50 / FRAMES_PER_SECOND) == pytest.approx(1 / FRAMES_PER_SECOND)


def test_an_ordinary_client_never_rests() -> None:
    budget = FrameBudget(0.0)
    assert all(budget.spend(100, float(second)) == 0.0 for second in range(1_000))


def test_one_frame_costs_no_more_than_what_is_refilled_in_a_while() -> None:
    assert FrameBudget(0.0).spend(1e9, 0.0) == FRAMES_AT_ONCE / FRAMES_PER_SECOND


def test_the_rest_grows_with_the_square_of_the_work() -> None:
    assert [rest_after(ms / 1_000) for ms in (0, 1, 2, 10, 30)] == pytest.approx([0, 0, 0.004, 0.1, 0.9])
    assert rest_after(10) == MAX_REST_S


async def test_others_come_in_between() -> None:
    turn, turns = TurnAtReading(TickBatcher()), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    for _ in range(10 * COMMANDS_PER_TURN):
        await turn.next_command()
    task.cancel()
    assert 4 <= turns <= 30


async def test_in_a_new_turn_there_is_room_again() -> None:
    turn = TurnAtReading(TickBatcher())
    over = []
    for _ in range(2):  # it looks only now and then which turn it is
        turn.commands(COMMANDS_PER_TURN)
        over.append(turn.is_over)
    for _ in range(2):
        await asyncio.sleep(0)
    over.append(turn.is_over)
    assert over == [False, True, False]


async def test_what_took_long_is_charged_once() -> None:
    turn = TurnAtReading(TickBatcher())
    turn.took(0.002)
    assert await turn.rest()
    assert not await turn.rest()
