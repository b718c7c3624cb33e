"""Three agents of Google's ADK with models that are none: a concierge, a researcher who is a tool, and a writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.tools.agent_tool import AgentTool
from google.adk.tools.tool_context import ToolContext
from google.genai import types

from support.scripts import hung_up, words


class Scripted(BaseLlm):
    """Answers by a script: words, which come one by one; `("thought", words)`; or calls, `(tool, arguments, id)`."""

    model: str = "scripted"
    script: list[Any]
    pause: float = 0.0
    fails_at: int | None = None
    turn: int = 0
    heard: list[Any] = []

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        """Word by word, and then all."""
        self.heard.append(list(llm_request.contents))
        said = self.script[min(self.turn, len(self.script) - 1)]
        self.turn += 1
        said, number = said if isinstance(said, list) else [said], 0
        for each in said if stream else ():
            text = each if isinstance(each, str) else each[1] if each[0] == "thought" else None
            for word in () if text is None else words(text):
                if number == self.fails_at:
                    raise hung_up()
                number += 1
                part = types.Part(text=word, thought=isinstance(each, tuple) or None)
                yield LlmResponse(content=types.Content(role="model", parts=[part]), partial=True)
                await asyncio.sleep(self.pause)
        usage = types.GenerateContentResponseUsageMetadata(prompt_token_count=7, candidates_token_count=3)
        parts = [_part(each) for each in said]
        yield LlmResponse(content=types.Content(role="model", parts=parts), usage_metadata=usage)


def _part(said: Any) -> types.Part:
    if isinstance(said, str):
        return types.Part(text=said)
    if said[0] == "thought":
        return types.Part(text=said[1], thought=True)
    return types.Part(function_call=types.FunctionCall(name=said[0], args=said[1], id=said[2]))


def keep(hotel: str, tool_context: ToolContext) -> str:
    """Keep the hotel."""
    if hotel == "Nowhere":
        raise ValueError("no such city")
    tool_context.state["hotel"] = hotel
    return "kept"


def team(about: str = "Lisbon", pause: float = 0.0, seen: list[Any] | None = None, **models: Scripted) -> LlmAgent:
    """The agent to run; `seen` gets the calls of the researcher's tool."""

    def find_hotels(city: str) -> str:
        """Find hotels."""
        if seen is not None:
            seen.append(city)
        return f"Casa Azul in {city}"

    finding = [("find_hotels", {"city": about}, "c-2"), f"Casa Azul in {about} is free."]
    researcher = LlmAgent(
        name="researcher", model=models.get("researcher") or Scripted(script=finding, pause=pause), tools=[find_hotels]
    )
    writing = [f"Dear Maya, Casa Azul in {about}."]
    writer = LlmAgent(name="writer", model=models.get("writer") or Scripted(script=writing, pause=pause))
    asking = [
        [("thought", "Who can do this?"), "I ask.", ("researcher", {"request": about}, "c-1")],
        [("transfer_to_agent", {"agent_name": "writer"}, "c-3")],
    ]
    return LlmAgent(
        name="concierge",
        model=models.get("concierge") or Scripted(script=asking, pause=pause),
        tools=[AgentTool(researcher)],
        sub_agents=[writer],
    )
