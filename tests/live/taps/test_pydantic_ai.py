"""What the tap of Pydantic AI does beside what all taps do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from support.pydantic_team import Scripted, team
from support.taps import brought, claimed, recorded

from stenogram.adapters.taps.pydantic_ai import PydanticAITap
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough


async def test_without_streams_models_are_asked_as_they_were(gateway: Gateway) -> None:
    def answer(messages: list[Any], info: Any) -> ModelResponse:
        return ModelResponse([TextPart("Casa Azul.")])

    async with PydanticAITap(gateway.url, session="trip", stream=False) as tap:
        agent = Agent(FunctionModel(answer), name="Concierge", capabilities=[tap])  # it cannot stream
        assert (await agent.run("A hotel?")).output == "Casa Azul."
    found = await recorded(gateway.url, "trip")
    assert found.words == [("concierge", "Casa Azul.")]


async def test_a_tool_that_raises_is_an_error_in_the_record_and_in_the_program(gateway: Gateway) -> None:
    async with PydanticAITap(gateway.url, session="trip") as tap:
        agent = Agent(Scripted(("book", {"hotel": "Azul"}, "c-1")).model, name="Booking", capabilities=[tap])

        @agent.tool_plain
        def book(hotel: str) -> str:
            """Book."""
            raise PermissionError(f"no card for {hotel}")

        with pytest.raises(PermissionError):
            await agent.run("Book it.")
    found = await recorded(gateway.url, "trip")
    (called,) = found.calls.values()
    assert (called.tool, called.arguments, called.error) == ("book", {"hotel": "Azul"}, "PermissionError")
    (last,) = found.runs.values()
    assert last.data.model_dump()["error"] == "PermissionError"


class _Held(Scripted):
    """Answers when it may."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.may_answer = asyncio.Event()

    async def _answer(self, messages: list[Any], info: Any) -> AsyncIterator[Any]:
        await self.may_answer.wait()
        async for each in super()._answer(messages, info):
            yield each


async def test_an_instruction_from_the_session_is_said_to_the_model(gateway: Gateway) -> None:
    concierge = _Held("I look for a hotel in Lisbon now.", "One with a view, then.")
    async with (
        PydanticAITap(gateway.url, session="trip") as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        agent, _ = team(tap, concierge=concierge)
        running = asyncio.ensure_future(agent.run("A hotel?"))
        await maya.live.until(lambda: claimed(maya))
        signal = await maya.signals.steer("agent:concierge", "With a view.")
        await brought(maya, signal)
        concierge.may_answer.set()
        result = await running
        assert (await maya.signals.settled(signal)).status == "closed"
    assert result.output == "One with a view, then."
    assert "With a view." in str(concierge.heard[-1])


async def test_streams_of_the_program_itself_are_recorded(gateway: Gateway) -> None:
    async with PydanticAITap(gateway.url, session="trip") as tap:
        agent = Agent(Scripted("Casa Azul is free.", pause=0.06).model, name="Concierge", capabilities=[tap])
        async with agent.run_stream("A hotel?") as stream:
            said = [each async for each in stream.stream_text(delta=True)]
    found = await recorded(gateway.url, "trip")
    assert found.words == [("concierge", "".join(said))]
    assert not found.open
