"""A stop ends a run of an agent, and not the agent: the next one works, and the session says who is stopped and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.wire import Wire

from stenogram.client import Client, Session
from stenogram.domain.errors import Conflict

if TYPE_CHECKING:
    import aiohttp

    from stenogram.api.server import Gateway


@pytest.fixture
async def people(gateway: Gateway) -> AsyncIterator[Any]:
    """Brings people and agents, each with a client of its own."""
    async with AsyncExitStack() as stack:

        async def client(name: str, kind: Any = "agent") -> Client:
            return await stack.enter_async_context(Client(gateway.url, participant=name, kind=kind))

        yield client


@pytest.fixture
async def ann(people: Any) -> AsyncIterator[Session]:
    """The user `ann`, in the session."""
    async with (await people("ann", "user")).session("trip") as session:
        yield session


async def fences(http: aiohttp.ClientSession, gateway: Gateway) -> list[dict[str, Any]]:
    """Who is fenced, as the session's page says."""
    async with http.get(f"{gateway.url}/v1/sessions/trip") as response:
        found: list[dict[str, Any]] = (await response.json())["fences"]
        return found


@pytest.mark.parametrize("target", ["agent:hotels", "session"])
async def test_a_stopped_agent_comes_back_as_a_new_run(
    target: str, ann: Session, people: Any, gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent", run="stuck")
    await wire.command("trip", "presence.join", {"lease": 3_600, "new_run": True})
    await wire.command("trip", "message.start", {"message": "m0"})
    signal = (await ann.do("signal.raise", {"signal": "s1", "kind": "cancel", "target": target, "grace": 0})).versions
    (fence,) = await fences(http, gateway)
    assert (fence["participant"], fence["signal"], fence["since"]) == ("hotels", "s1", signal[-1])
    assert "new_run" in fence["to_lift"]
    refused = await wire.command("trip", "message.post", {"message": "m1", "text": "Hi."})
    assert (refused["error"]["code"], refused["error"]["signal"]) == ("fenced", "s1")
    async with (await people("hotels")).agent("Hotels", session="trip") as agent:
        await agent.session.post("Here again.", message="m2")
        assert await fences(http, gateway) == []
        still = await wire.command("trip", "message.post", {"message": "m3", "text": "Hi."})
        assert (still["error"]["code"], still["error"]["signal"]) == ("fenced", "s1")
    honoured = [event async for event in ann.events(types=("signal.honoured",), follow=False)]
    assert [event.actor for event in honoured] == ["hotels"]


async def test_a_run_that_was_stopped_is_still_stopped_when_it_comes_back(
    ann: Session, gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    wire = await Wire.open(http, gateway.url, participant="hotels", kind="agent")
    await wire.command("trip", "presence.join", {"lease": 3})
    await ann.do("signal.raise", {"signal": "s1", "kind": "cancel", "target": "agent:hotels", "grace": 0})
    await ann.live.until(lambda: not ann.live.state.presence["hotels"].present)
    await wire.command("trip", "presence.join", {})
    refused = await wire.command("trip", "message.post", {"message": "m1", "text": "Hi."})
    assert (refused["error"]["code"], refused["error"]["signal"]) == ("fenced", "s1")


@pytest.mark.parametrize("who", ["stenogram", "ann"])
async def test_neither_the_gateway_nor_a_person_is_stopped(who: str, ann: Session, people: Any) -> None:
    async with (await people("hotels")).agent(session="trip") as agent:
        with pytest.raises(Conflict, match="interrupted"):
            await agent.session.do("signal.raise", {"signal": "s", "kind": "cancel", "target": f"agent:{who}"})
        await ann.post("Fine.")
