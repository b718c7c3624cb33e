"""A team of Agno with models that are none: a leader, a researcher with a tool, and a writer who keeps something."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.run import RunContext
from agno.team import Team
from agno.tools import tool

from support.scripts import hung_up, words


@dataclass
class Scripted(Model):
    """Answers by a script: words, which come one by one; `("thought", words)`; or calls, `(tool, arguments, id)`.
    `fails_at` is the word of its last turn at which the connection is lost."""

    id: str = "scripted"
    script: list[Any] = field(default_factory=list)
    pause: float = 0.0
    fails_at: int | None = None
    turn: int = 0

    async def ainvoke_stream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ModelResponse]:
        """Word by word."""
        said = self.script[min(self.turn, len(self.script) - 1)]
        self.turn += 1
        number = 0
        for each in said if isinstance(said, list) else [said]:
            text = each if isinstance(each, str) else each[1] if each[0] == "thought" else None
            for word in () if text is None else words(text):
                if number == self.fails_at and self.turn >= len(self.script):
                    raise hung_up()
                number += 1
                said_now = isinstance(each, str)
                yield ModelResponse(content=word) if said_now else ModelResponse(reasoning_content=word)
                await asyncio.sleep(self.pause)
            if text is None:
                function = {"name": each[0], "arguments": json.dumps(each[1])}
                yield ModelResponse(tool_calls=[{"id": each[2], "type": "function", "function": function}])

    def invoke(self, *args: Any, **kwargs: Any) -> Any:
        """It streams."""
        raise NotImplementedError

    ainvoke = invoke
    invoke_stream = invoke
    _parse_provider_response = invoke
    _parse_provider_response_delta = invoke


def find_hotels(city: str) -> str:
    """Find hotels."""
    if city == "Nowhere":
        raise ValueError("no such city")
    return f"Casa Azul in {city}"


def keep(run_context: RunContext, hotel: str) -> str:
    """Keep the hotel."""
    assert run_context.session_state is not None
    run_context.session_state["hotel"] = hotel
    return "kept"


def team(about: str = "Lisbon", leader: Scripted | None = None) -> Team:
    """The team, which remembers its runs."""
    finding = ["I look.", ("find_hotels", {"city": about}, "c-2")]
    writing = ["I keep it.", ("keep", {"hotel": "Casa Azul"}, "c-4")]
    researcher = _agent("researcher", [finding, f" Casa Azul in {about} is free."], find_hotels)
    writer = _agent("writer", [writing, f" Dear Maya, Casa Azul in {about}."], keep)
    return Team(
        members=[researcher, writer],
        model=leader or Scripted(script=leading()),
        db=_memory(),
        store_member_responses=True,
        telemetry=False,
    )


def leading(last: str = " That is all.") -> list[Any]:
    """What the leader says and delegates."""
    return [
        [("thought", "Who can do this?"), "I ask. ", _delegates("researcher", "c-1")],
        [" Now write.", _delegates("writer", "c-3")],
        last,
    ]


def _delegates(member: str, id: str) -> Any:
    return ("delegate_task_to_member", {"member_id": member, "task": "Your part."}, id)


def _agent(name: str, script: list[Any], *tools: Any) -> Agent:
    return Agent(name=name, id=name, model=Scripted(script=script), tools=list(tools), telemetry=False)


def _memory() -> Any:
    makes: Any = InMemoryDb  # it has no types
    return makes()


def asks_before_it_books() -> Agent:
    """An agent with a tool that a person has to confirm."""

    @tool(requires_confirmation=True)
    def book(city: str) -> str:
        """Book."""
        return f"booked in {city}"

    script = [["I book.", ("book", {"city": "Lisbon"}, "c-9")], "It is booked."]
    return Agent(model=Scripted(script=script), tools=[book], db=_memory(), telemetry=False)
