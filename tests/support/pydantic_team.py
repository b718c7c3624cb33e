"""Three agents of Pydantic AI with models that are none: a concierge, who asks a researcher and a writer by tools."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel

from support.scripts import Script, hung_up, words


class Scripted(Script):
    """Answers by a script: words, which come one by one; `("thought", words)`; or calls, `(tool, arguments)`."""

    @property
    def model(self) -> FunctionModel:
        """As a model."""
        return FunctionModel(stream_function=self._answer)

    async def _answer(self, messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
        number = 0
        for index, each in enumerate(self.next(list(messages))):
            if isinstance(each, tuple) and each[0] == "thought":
                yield {index: DeltaThinkingPart(content=each[1])}
            elif isinstance(each, tuple):
                yield {index: DeltaToolCall(name=each[0], json_args=json.dumps(each[1]), tool_call_id=each[2])}
            else:
                for word in words(each):
                    if number == self.fails_at:
                        raise hung_up()
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
