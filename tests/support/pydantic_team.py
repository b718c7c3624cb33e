"""Three agents of Pydantic AI with models that are none: a concierge, who asks a researcher and a writer by tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel


class Scripted:
    """Answers by a script: words, which come one by one; `("thought", words)`; or calls, `(tool, arguments)`."""

    def __init__(self, *script: Any, pause: float = 0.0, fails_at: int | None = None) -> None:
        self.script = script
        self.pause = pause
        self.fails_at = fails_at
        self.turn = 0
        self.heard: list[Any] = []

    @property
    def model(self) -> FunctionModel:
        """As a model."""
        return FunctionModel(stream_function=self._answer)

    async def _answer(self, messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
        self.heard.append(list(messages))
        said = self.script[min(self.turn, len(self.script) - 1)]
        self.turn += 1
        number = 0
        for index, each in enumerate(said if isinstance(said, list) else [said]):
            if isinstance(each, tuple) and each[0] == "thought":
                yield {index: DeltaThinkingPart(content=each[1])}
            elif isinstance(each, tuple):
                yield {index: DeltaToolCall(name=each[0], json_args=json.dumps(each[1]), tool_call_id=each[2])}
            else:
                words = each.split(" ")
                for word in [f"{word} " for word in words[:-1]] + words[-1:]:
                    if number == self.fails_at:
                        raise ConnectionError("the provider hung up: key sk-123")
                    number += 1
                    yield word
                    await asyncio.sleep(self.pause)


def team(tap: Any, about: str = "Lisbon", pause: float = 0.0, **models: Scripted) -> tuple[Agent, list[Any]]:
    """The agent to run, and where results of the others come."""
    results: list[Any] = []
    researcher = Agent(
        (models.get("researcher") or Scripted(f"Casa Azul in {about} is free.", pause=pause)).model,
        name="Researcher",
        capabilities=[tap],
    )
    writer = Agent(
        (models.get("writer") or Scripted(f"Dear Maya, {about}.", pause=pause)).model, name="Writer", capabilities=[tap]
    )
    script = [
        [("thought", "Who can do this?"), "I ask.", ("research", {"city": about}, "c-1")],
        ("write", {"city": about}, "c-2"),
        f"Dear Maya, Casa Azul in {about}.",
    ]
    concierge = Agent(
        (models.get("concierge") or Scripted(*script, pause=pause)).model, name="Concierge", capabilities=[tap]
    )

    @concierge.tool_plain
    async def research(city: str) -> str:
        """Research."""
        results.append(await researcher.run(city))
        return str(results[-1].output)

    @concierge.tool_plain
    async def write(city: str) -> str:
        """Write."""
        results.append(await writer.run(city))
        return str(results[-1].output)

    return concierge, results
