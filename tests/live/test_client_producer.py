"""A producer and a real gateway: restarts repeat nothing, and of two with one name the older is fenced."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from stenogram.client import Backoff, Client, Session
from stenogram.domain.concepts.custom import OpaqueData
from stenogram.domain.errors import Conflict, StaleProducer

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


@pytest.fixture(autouse=True)
def quiet() -> None:
    """That a connection was lost may be told."""


@pytest.fixture
async def session(gateway: Gateway) -> AsyncIterator[Session]:
    """A session of the participant `tap`."""
    async with (
        Client(gateway.url, participant="tap", backoff=Backoff(0.001, 0.01)) as client,
        client.session("trip", join=False, follow=False) as session,
    ):
        yield session


async def lines(session: Session) -> list[Any]:
    """What was recorded."""
    events = [event async for event in session.events(types=["x.line"], follow=False)]
    return [event.data.value["line"] for event in events if isinstance(event.data, OpaqueData)]


async def test_a_tap_that_starts_over_repeats_itself_harmlessly(session: Session) -> None:
    for known, end in ((0, 10), (10, 25)):
        async with session.producer("tap") as tap:
            for line in range(end):
                await tap.record("x.line", {"line": line})
            await tap.flush()
            assert (tap.repeated, await lines(session)) == (known, list(range(end)))
    async with session.producer("tap") as tap:
        await tap.record("x.line", {"line": 24}, seq=24)
        await tap.record("x.line", {"line": 25})
        await tap.flush()
        assert (tap.repeated, await lines(session)) == (1, list(range(26)))


async def test_it_goes_on_over_cut_connections(gateway: Gateway, session: Session) -> None:
    async def cut() -> None:
        while True:
            await asyncio.sleep(0.02)
            for socket in tuple(gateway.websocket_server._connections):
                socket.abort()

    cutting = asyncio.create_task(cut())
    async with session.producer("tap") as tap:
        for line in range(500):
            await tap.record("x.line", {"line": line})
    cutting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await cutting
    assert await lines(session) == list(range(500))


async def test_a_newer_epoch_fences_an_older_one(session: Session) -> None:
    old, new = session.producer("tap", epoch=1), session.producer("tap", epoch=2)
    await old.record("x.line", {"line": 0})
    await old.flush()
    await new.record("x.line", {"line": 1})
    await new.flush()
    await old.record("x.line", {"line": 2})
    with pytest.raises(StaleProducer) as stale:
        await old.flush()
    assert stale.value.extra["epoch"] == 2
    assert await lines(session) == [0, 1]


async def test_a_number_that_leaves_some_out_is_told_which_is_next(session: Session) -> None:
    async with session.producer("tap") as tap:
        await tap.record("x.line", {"line": 0})
    ahead = session.producer("tap")
    await ahead.record("x.line", {"line": 5}, seq=5)
    with pytest.raises(Conflict) as refused:
        await ahead.flush()
    assert refused.value.extra["expected"] == 1
    assert await lines(session) == [0]
