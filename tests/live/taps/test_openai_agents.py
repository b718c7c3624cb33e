"""What the tap of OpenAI Agents does beside what all taps do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from agents import Agent, ModelResponse, RunHooks, Runner
from support.openai_team import Scripted, book, call, team
from support.taps import brought, claimed, recorded

from stenogram.adapters.taps.openai_agents import OpenAIAgentsTap
from stenogram.adapters.taps.tap import RunStopped
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough


class _Held(Scripted):
    """Answers when it may."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script)
        self.may_answer = asyncio.Event()

    async def get_response(self, *args: Any, **more: Any) -> ModelResponse:
        """All at once."""
        await self.may_answer.wait()
        return await super().get_response(*args, **more)


class _Heard(RunHooks[Any]):
    """The program's own hooks."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_llm_start(self, *args: Any) -> None:
        self.heard.append("asked")

    async def on_tool_end(self, *args: Any) -> None:
        self.heard.append("tool")


async def test_runs_that_are_not_streamed_are_recorded_whole_and_hooks_are_called(gateway: Gateway) -> None:
    hooks = _Heard()
    async with OpenAIAgentsTap(gateway.url, session="trip").install():
        result = await Runner.run(team(), "A hotel?", hooks=hooks)
    found = await recorded(gateway.url, "trip")
    assert result.final_output == "Dear Maya, Casa Azul in Lisbon."
    assert [text for _, text in found.words if text][-1] == result.final_output
    assert hooks.heard == ["asked", "asked", "tool", "asked"]
    assert not found.open


async def test_a_synchronous_run_is_recorded(gateway: Gateway) -> None:
    def run() -> Any:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return Runner.run_sync(team(), "A hotel?").final_output
        finally:
            loop.close()

    async with OpenAIAgentsTap(gateway.url, session="trip").install():
        said = await asyncio.to_thread(run)
    found = await recorded(gateway.url, "trip")
    assert found.words[-1] == ("booking", said)


async def test_a_tool_that_raises_is_an_error_in_the_record_and_in_the_program(gateway: Gateway) -> None:
    agent: Agent[Any] = Agent("Booking", model=Scripted([call("book", "c-1", hotel="Azul")]), tools=[book])
    async with OpenAIAgentsTap(gateway.url, session="trip").install():
        with pytest.raises(Exception, match="no card for Azul"):
            await Runner.run(agent, "Book it.")
    found = await recorded(gateway.url, "trip")
    (called,) = found.calls.values()
    (last,) = found.runs.values()
    assert (called.tool, called.arguments, called.result) == ("book", {"hotel": "Azul"}, None)
    assert called.error == last.data.model_dump()["error"]
    assert "Azul" not in str(called.error)


async def test_an_instruction_from_the_session_is_in_the_next_call_of_the_model(gateway: Gateway) -> None:
    booking = Scripted([call("ask_researcher", "c-1", input="x")], "Done.")
    held = _Held([call("find_hotels", "c-2", city="Faro")], "Casa Azul is free, and so is Casa Verde.")
    async with (
        OpenAIAgentsTap(gateway.url, session="trip").install(),
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        running = asyncio.ensure_future(Runner.run(team(booking=booking, researcher=held), "A hotel?"))
        await maya.live.until(lambda: claimed(maya))
        signal = await maya.signals.steer("agent:triage", "With a view.")
        await brought(maya, signal)
        held.may_answer.set()
        result = await running
        assert (await maya.signals.settled(signal)).status == "closed"
    heard = [each for each in booking.heard[-1] if each.get("role") == "user"]
    assert heard[-1]["content"] == "With a view."
    assert "With a view." not in str(held.heard)
    assert result.final_output == "Done."


async def test_a_run_that_is_not_streamed_is_stopped_in_the_middle_of_a_call(gateway: Gateway) -> None:
    agent = team(triage=Scripted("Never said.", pause=30))
    async with (
        OpenAIAgentsTap(gateway.url, session="trip").install(),
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        running = asyncio.ensure_future(Runner.run(agent, "A hotel?"))
        (task,) = await maya.live.until(lambda: claimed(maya))
        await maya.signals.cancel(f"task:{task.id}")
        with pytest.raises(RunStopped):
            await running
        found = await recorded(gateway.url, "trip", beside=["maya"])
    assert [each.status for each in found.messages.values()] == ["aborted"]
    assert not found.open


async def test_what_cannot_be_done_to_a_run_is_refused(gateway: Gateway) -> None:
    held = _Held([call("transfer_to_booking", "c-0")])
    async with (
        OpenAIAgentsTap(gateway.url, session="trip").install(),
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        running = asyncio.ensure_future(Runner.run(team(triage=held), "A hotel?"))
        await maya.live.until(lambda: claimed(maya))
        pause = await maya.signals.pause("agent:triage")
        assert (await maya.signals.settled(pause)).status == "closed"
        held.may_answer.set()
        assert (await running).final_output == "Dear Maya, Casa Azul in Lisbon."
        await maya.signals.resume("agent:triage")
        found = await recorded(gateway.url, "trip", beside=["maya"])
    (refused,) = [event for event in found.events if event.type == "signal.refused"]
    assert "cannot be held" in str(refused.data)
    assert found.words[-1] == ("booking", "Dear Maya, Casa Azul in Lisbon.")


async def test_uninstalled_it_records_nothing(gateway: Gateway) -> None:
    first, second = OpenAIAgentsTap(gateway.url, session="one"), OpenAIAgentsTap(gateway.url, session="two")
    async with first.install(), second.install():
        first.uninstall()  # below the other
        await Runner.run(team(), "A hotel?")
        second.uninstall()
        await Runner.run(team(), "A hotel?")
    found = await recorded(gateway.url, "two")
    assert len(found.runs) == 1
