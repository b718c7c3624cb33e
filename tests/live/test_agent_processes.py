"""Agents in processes of their own, which end badly; and gateways that do, in the middle of a task."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.hiring import Hire, hiring

from stenogram.client import Backoff, Client, Session
from stenogram.domain.concepts.messages import MessageAborted
from stenogram.domain.model import Event
from stenogram.domain.parts import text_of

if TYPE_CHECKING:
    from live.conftest import Process

Serve = Callable[..., Awaitable["Process"]]
WORKER = Path(__file__).parents[2] / "examples/worker.py"
pytestmark = [pytest.mark.reconnects, pytest.mark.thorough]


@pytest.fixture
async def hire() -> AsyncIterator[Hire]:
    """Starts workers, which take `seconds` for a task, and are lost after four seconds of silence."""
    async with hiring(WORKER, STENOGRAM_LEASE="4", STENOGRAM_SESSION="trip-7") as hire:
        yield hire


@pytest.fixture
async def ann(gateway: Any) -> AsyncIterator[Session]:
    """The user `ann`, in the session."""
    async with Client(gateway.url, participant="ann", kind="user") as client, client.session("trip-7") as session:
        yield session


async def until(session: Session, test: Callable[[], object], within: float = 30.0) -> None:
    """Wait until something is so in the session."""
    async with asyncio.timeout(within):
        await session.live.until(test)


async def seen(session: Session, type: str, after: int = 0) -> Event:
    """Wait for an event of a type."""
    async with asyncio.timeout(90), session.events(after, types=[type]) as events:
        return await anext(events)


async def test_ctrl_c_gives_the_task_back(gateway: Any, ann: Session, hire: Hire) -> None:
    id = await ann.tasks.create("Hotels", "hotels")
    worker = await hire(gateway.url, "worker", seconds=20)
    await seen(ann, "message.delta")
    worker.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(worker.wait(), 40) != 0
    await until(ann, lambda: ann.tasks.known[id].status == "open")
    released = (await seen(ann, "task.released")).data
    assert (released.why, released.reason) == ("given-up", "cancelled")  # type: ignore[attr-defined]
    aborted = (await seen(ann, "message.aborted")).data
    assert isinstance(aborted, MessageAborted)
    assert text_of(aborted.parts).startswith("What")
    await seen(ann, "presence.left")


async def test_a_killed_agents_task_is_taken_over(gateway: Any, ann: Session, hire: Hire) -> None:
    id = await ann.tasks.create("Hotels", "hotels")
    first = await hire(gateway.url, "first")
    await seen(ann, "message.delta")
    second = await hire(gateway.url, "second", seconds=0.2)
    await until(ann, lambda: "second" in ann.present)
    first.kill()
    await seen(ann, "presence.lost")
    assert (await asyncio.wait_for(ann.tasks.result(id), 40))["message"]
    aborted = (await seen(ann, "message.aborted")).data
    assert isinstance(aborted, MessageAborted)
    assert text_of(aborted.parts).startswith("What")
    assert ann.tasks.known[id].owners == ("first", "second")
    assert second.returncode is None


async def test_a_zombie_is_refused_and_finds_out(gateway: Any, ann: Session, hire: Hire) -> None:
    """Suspended past its lease, and then woken: it neither streams on nor completes, and works on as if nothing was."""
    id = await ann.tasks.create("Hotels", "hotels")
    zombie = await hire(gateway.url, "zombie", seconds=25)
    await seen(ann, "message.delta")
    zombie.send_signal(signal.SIGSTOP)
    lost = await seen(ann, "presence.lost")
    async with Client(gateway.url, participant="second") as client, client.agent(session="trip-7") as second:
        async with await anext(second.tasks()) as task:
            zombie.send_signal(signal.SIGCONT)
            await until(ann, lambda: "zombie" in ann.present)
            assert (task.id, task.attempt) == (id, 2)
            await task.complete("theirs")
        other = await ann.tasks.create("Trams", "trams", assignee="zombie")
        await until(ann, lambda: ann.tasks.known[other].owner == "zombie")
    assert await ann.tasks.result(id) == "theirs"
    after = [event async for event in ann.events(lost.version, follow=False) if event.actor == "zombie"]
    assert not [event.type for event in after if event.task == id]


async def test_a_gateway_that_dies_in_the_middle_of_a_task_costs_nothing(serve: Serve) -> None:
    gateway = await serve()
    port = int(gateway.url.rpartition(":")[2])
    quick = Backoff(0.01, 0.1)
    async with AsyncExitStack() as stack:
        hotels = await stack.enter_async_context(Client(gateway.url, participant="hotels", backoff=quick))
        agent = await stack.enter_async_context(hotels.agent(session="trip"))
        id = await agent.session.tasks.create("Find a hotel")
        async with await anext(agent.tasks()) as task:
            async with agent.say() as message:
                for number in range(60):
                    await message.write(f"{number} ")
                    await asyncio.sleep(0.002)
                    if number == 30:
                        await gateway.kill()
                        await serve(port=port)
            await agent.state.merge({"hotel": "Casa Azul"})
            await task.complete("done")
        assert task.outcome is not None
        assert task.outcome.kind == "completed"
        assert await agent.session.tasks.result(id) == "done"
        assert agent.session.tasks.known[id].attempt == 1
