"""Blocks that are cancelled from outside: nobody's cancellation is swallowed, and none is left over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stenogram.client.agent.cancel_scope import CancelScope

Move = Literal["turn", "ours", "theirs", "finish"]
Body = Literal["waits", "cleans up slowly", "swallows", "in a group", "in a timeout"]
MOVES: tuple[Move, ...] = ("turn", "ours", "theirs", "finish")
BODIES: tuple[Body, ...] = ("waits", "cleans up slowly", "swallows", "in a group", "in a timeout")


class Block:
    """One block in an asyncio task of its own, and what became of it."""

    def __init__(self, body: Body) -> None:
        self.scope = CancelScope()
        self.finish = asyncio.Event()
        self.inside = False
        self.left = False
        self.cancelling = 0
        self._body = body

    async def run(self) -> str:
        self.scope.enter()
        self.inside = True
        error: BaseException | None = None
        try:
            await self._work()
        except BaseException as caught:
            error = caught
        self.inside = False
        if not self.scope.leave(error) and error is not None:
            raise error
        self.left = True
        task = asyncio.current_task()
        assert task is not None
        self.cancelling = task.cancelling()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return "went on"

    async def _work(self) -> None:
        match self._body:
            case "waits":
                await self.finish.wait()
            case "cleans up slowly":
                try:
                    await self.finish.wait()
                finally:
                    await asyncio.sleep(0)
            case "swallows":
                try:
                    await self.finish.wait()
                except asyncio.CancelledError:
                    await asyncio.sleep(0)
            case "in a group":
                async with asyncio.TaskGroup() as group:
                    group.create_task(self.finish.wait())
            case "in a timeout":
                async with asyncio.timeout(60):
                    await self.finish.wait()


@settings(max_examples=150)
@given(st.sampled_from(BODIES), st.lists(st.sampled_from(MOVES), max_size=8))
def test_whatever_happens_when(body: Body, moves: list[Move]) -> None:
    asyncio.run(_play(body, moves))


async def _play(body: Body, moves: list[Move]) -> None:
    """Without somebody else's cancellation the task goes on behind the block and owes nothing; with one that came while
    the block was in progress, and that it did not swallow itself, it ends cancelled."""
    block = Block(body)
    running = asyncio.create_task(block.run())
    theirs = 0
    for move in (*moves, "turn", "turn"):
        if move == "turn":
            await asyncio.sleep(0)
        elif move == "ours":
            block.scope.cancel()
        elif move == "finish":
            block.finish.set()
        elif not block.left and not running.done():
            theirs += running.cancel()
    block.finish.set()
    await asyncio.wait([running], timeout=30)
    if not theirs:
        assert running.result() == "went on"
        assert block.cancelling == 0
    elif body != "swallows":
        assert running.cancelled()


@pytest.mark.parametrize("when", ["before it is entered", "inside", "in its last turn"])
async def test_a_block_that_never_waits_leaves_no_cancellation_behind(when: str) -> None:
    scope = CancelScope()
    if when == "before it is entered":
        scope.cancel()
    scope.enter()
    if when == "inside":
        scope.cancel()
    if when == "in its last turn":
        asyncio.get_running_loop().call_soon(scope.cancel)
    assert not scope.leave(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_an_error_while_cleaning_up_is_not_hidden() -> None:
    async def cleans_up_badly() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("the room was not released")

    async with _entered(cleans_up_badly) as (scope, error):
        assert isinstance(error, ValueError)
        assert not scope.leave(error)


async def test_it_is_thrown_once() -> None:
    caught = 0

    async def stubborn() -> None:
        nonlocal caught
        for _ in range(3):
            try:
                await asyncio.sleep(0.005)
            except asyncio.CancelledError:
                caught += 1

    async with _entered(stubborn) as (scope, error):
        scope.cancel()
        assert error is None
        assert not scope.leave(None)
    assert caught == 1


class _entered:
    """Runs a body in a scope that is cancelled meanwhile; the scope, not left yet, and what the body raised."""

    def __init__(self, body: Callable[[], Awaitable[None]]) -> None:
        self._body = body

    async def __aenter__(self) -> tuple[CancelScope, BaseException | None]:
        scope, error = CancelScope(), None
        scope.enter()
        asyncio.get_running_loop().call_soon(scope.cancel)
        try:
            await self._body()
        except Exception as raised:
            error = raised
        return scope, error

    async def __aexit__(self, *_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
