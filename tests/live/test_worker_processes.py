"""Workers in processes of their own, one of which is killed or told to end; and a gateway that restarts under one."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.hiring import Hire, hiring

from stenogram.client import Client, Session

if TYPE_CHECKING:
    from live.conftest import Process

Serve = Callable[..., Awaitable["Process"]]
WORKER = Path(__file__).parents[2] / "examples/serve_trips.py"
HOTEL = {"kind": "hotel"}
pytestmark = [pytest.mark.reconnects, pytest.mark.thorough]


@pytest.fixture
async def hire() -> AsyncIterator[Hire]:
    """Starts workers, which take `seconds` for a task, and are lost after four seconds of silence."""
    async with hiring(WORKER, STENOGRAM_LEASE="4") as hire:
        yield hire


@contextlib.asynccontextmanager
async def trip(url: str, session: str) -> AsyncIterator[Session]:
    """The user `ann`, in a session."""
    async with Client(url, participant="ann", kind="user") as client, client.session(session) as entered:
        yield entered


async def owned(session: Session, task: str, owner: str) -> None:
    """Wait until somebody holds a task."""
    async with asyncio.timeout(40):
        await session.live.until(lambda: session.tasks.known[task].owner == owner)


async def test_the_tasks_of_a_killed_worker_return_by_its_lease(gateway: Any, hire: Hire) -> None:
    async with trip(gateway.url, "trip-1") as one, trip(gateway.url, "trip-2") as two:
        sessions = {await each.tasks.create("Find a hotel", HOTEL): each for each in (one, two)}
        first = await hire(gateway.url, "first", seconds=600)
        for task, session in sessions.items():
            await owned(session, task, "first")
        # It begins when the tasks are held: it learns of their return from events alone, or from its first list.
        await hire(gateway.url, "second", seconds=0.1)
        first.kill()
        for task, session in sessions.items():
            async with asyncio.timeout(40):
                assert (await session.tasks.result(task))["by"] == "second"
            assert session.tasks.known[task].owners == ("first", "second")


async def test_sigterm_lets_it_finish(gateway: Any, hire: Hire) -> None:
    async with trip(gateway.url, "trip-1") as session:
        task = await session.tasks.create("Find a hotel", HOTEL)
        worker = await hire(gateway.url, "worker", seconds=1)
        await owned(session, task, "worker")
        worker.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(worker.wait(), 40) == 0
        assert (await session.tasks.result(task))["by"] == "worker"


async def test_a_gateway_restarts_and_the_worker_goes_on(serve: Serve, hire: Hire) -> None:
    gateway = await serve()
    port = gateway.url.rpartition(":")[2]
    async with trip(gateway.url, "trip-1") as session:
        before = await session.tasks.create("Find a hotel", HOTEL)
        await hire(gateway.url, "worker", seconds=2)
        await owned(session, before, "worker")
        await gateway.kill()
        await serve(port=port)
        async with asyncio.timeout(30):
            assert (await session.tasks.result(before))["by"] == "worker"
        assert session.tasks.known[before].attempt == 1
        async with trip(gateway.url, "trip-2") as other, asyncio.timeout(30):
            after = await other.tasks.create("Find a hotel", HOTEL)
            assert (await other.tasks.result(after))["by"] == "worker"
