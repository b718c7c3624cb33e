"""What the tap of Google's ADK does beside what all taps do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.apps import App
from google.adk.runners import InMemoryRunner
from google.genai import types
from support.adk_team import Scripted
from support.taps import brought, claimed, recorded

from stenogram.adapters.taps.google_adk import GoogleADKTap
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough


async def _run(agent: LlmAgent, tap: GoogleADKTap) -> list[Any]:
    runner = InMemoryRunner(app=App(name="trips", root_agent=agent, plugins=[tap]))
    await runner.session_service.create_session(app_name="trips", user_id="maya", session_id="trip")
    said = types.Content(role="user", parts=[types.Part(text="A hotel?")])
    return [event async for event in runner.run_async(user_id="maya", session_id="trip", new_message=said)]


async def test_models_that_are_not_streamed_are_recorded_whole(gateway: Gateway) -> None:
    async with GoogleADKTap(gateway.url) as tap:
        await _run(LlmAgent(name="concierge", model=Scripted(script=["Casa Azul."])), tap)
    found = await recorded(gateway.url, "trip")
    assert found.words == [("concierge", "Casa Azul.")]
    (last,) = found.runs.values()
    assert last.type == "task.completed"


async def test_a_tool_that_raises_is_an_error_in_the_record_and_in_the_program(gateway: Gateway) -> None:
    def book(hotel: str) -> str:
        """Book."""
        raise PermissionError(f"no card for {hotel}")

    agent = LlmAgent(name="booking", model=Scripted(script=[("book", {"hotel": "Azul"}, "c-1")]), tools=[book])
    async with GoogleADKTap(gateway.url) as tap:
        with pytest.raises(PermissionError):
            await _run(agent, tap)
    found = await recorded(gateway.url, "trip")
    (called,) = found.calls.values()
    assert (called.tool, called.arguments, called.error) == ("book", {"hotel": "Azul"}, "PermissionError")
    (last,) = found.runs.values()
    assert last.data.model_dump()["error"] == "PermissionError"


async def test_an_instruction_from_the_session_is_in_the_next_request(gateway: Gateway) -> None:
    steered = asyncio.Event()

    async def look(city: str) -> str:
        """Look."""
        await steered.wait()
        return city

    model = Scripted(script=[("look", {"city": "Lisbon"}, "c-1"), "One with a view, then."], heard=[])
    async with (
        GoogleADKTap(gateway.url) as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        running = asyncio.ensure_future(_run(LlmAgent(name="concierge", model=model, tools=[look]), tap))
        await maya.live.until(lambda: claimed(maya))
        signal = await maya.signals.steer("agent:concierge", "With a view.")
        await brought(maya, signal)
        steered.set()
        await running
        assert (await maya.signals.settled(signal)).status == "closed"
        found = await recorded(gateway.url, "trip", beside=["maya"])
    assert [event.type for event in found.events if event.type == "signal.honoured"]
    assert "With a view." in str(model.heard[-1])
