"""A run of the OpenAI Agents SDK with a model that says what it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, Runner, set_tracing_disabled
from agents.items import ModelResponse
from agents.models.interface import Model
from agents.usage import Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from stenogram.adapters.openai_agents import StenogramSessions

set_tracing_disabled(True)


class Echo(Model):
    """Knows what users have said."""

    async def get_response(self, system_instructions: str | None, input: Any, *args: Any, **more: Any) -> ModelResponse:
        """Say it."""
        said = [each.get("content") for each in input if each.get("role") == "user"]
        text = ResponseOutputText(text=f"I know {said}", type="output_text", annotations=[])
        message = ResponseOutputMessage(id="m", content=[text], role="assistant", status="completed", type="message")
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **more: Any) -> AsyncIterator[Any]:
        """Not here."""
        raise NotImplementedError


async def run(url: str, said: str) -> str:
    """Say something in the conversation `trip`; what the agent answers."""
    async with StenogramSessions(url, participant="concierge") as sessions:
        result = await Runner.run(Agent("Concierge", model=Echo()), said, session=sessions.session("trip"))
        return str(result.final_output)
