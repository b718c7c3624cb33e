"""Programs of frameworks that tell of their runs by AG-UI, and what the framework itself says they produced.

In each three speak: the first hands the work out, the second has a tool, the third keeps a hotel in the state.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ag_ui.core import RunAgentInput, ToolMessage, UserMessage

THREAD = "trip"
Events: TypeAlias = AsyncGenerator[Any, None]


@dataclass
class Told:
    """What was said and thought, the calls (tool, arguments, result) by their ids, and what is in the state."""

    words: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class How:
    """How a program is run: which city it is about, of which Nowhere fails a tool; `fails_at`: the word, from the
    fourth on, at which the last speaker's model fails; whether the last speaker goes on and on."""

    about: str = "Lisbon"
    fails_at: int | None = None
    endless: bool = False

    @property
    def pause(self) -> float:
        """Seconds after each word."""
        return 0.01 if self.endless else 0.0

    def last(self, text: str) -> str:
        """What is said last."""
        return f"{text} {'on and ' * 3_000}" if self.endless else text


class Program(ABC):
    """A program of a framework."""

    name: str
    merges = False
    """Whether what several say comes as one message."""
    raises = True
    """Whether a tool that fails ends the run."""

    def __init__(self, how: How) -> None:
        self.how = how
        self.made: dict[str, Any] = {}
        """What is run, by the name that the guide gives it."""

    @abstractmethod
    def run(self, given: RunAgentInput) -> Events:
        """Run it; what it tells."""

    @abstractmethod
    async def told(self) -> Told:
        """What the framework says that it produced."""


def run_input(run: str = "r1", **more: Any) -> RunAgentInput:
    """What a page asks for."""
    asked = [UserMessage(id="u1", role="user", content="A hotel?")]
    given = {"messages": asked, "state": {"asked": "by Maya"}, "tools": [], "context": [], "forwarded_props": {}}
    return RunAgentInput(**{"thread_id": THREAD, "run_id": run, **given, **more})


def _events(given: Any) -> Events:
    events: Events = given
    return events


class LangGraphProgram(Program):
    """A graph, with a graph in it."""

    name = "langgraph"

    def __init__(self, how: How) -> None:
        from ag_ui_langgraph import LangGraphAgent  # type: ignore[import-untyped]
        from langchain_core.messages import AIMessage
        from langgraph.checkpoint.memory import InMemorySaver
        from langgraph.graph import START, StateGraph

        from support.langgraph_team import Scripted, Trip, calls, speaks, with_tools

        super().__init__(how)
        first = AIMessage(f"First one in {how.about}.", additional_kwargs={"reasoning_content": "What first?"})
        finding = [calls("find_hotels", "c-1", city=how.about), AIMessage("Casa Azul is free.")]
        last = AIMessage(how.last("Dear Maya, Casa Azul."))
        writer = Scripted(script=[last], fails_at=how.fails_at, pause=how.pause)
        graph = StateGraph(Trip)
        graph.add_node("planner", speaks(Scripted(script=[first])))
        graph.add_node("researcher", with_tools(Scripted(script=finding)))
        graph.add_node("writer", speaks(writer, hotel="Casa Azul"))
        graph.add_edge(START, "planner")
        graph.add_edge("planner", "researcher")
        graph.add_edge("researcher", "writer")
        self._graph = graph.compile(checkpointer=InMemorySaver())
        self.made = {"graph": self._graph}
        self._agent = LangGraphAgent(name="trip", graph=self._graph, emit_raw_events=False)

    def run(self, given: RunAgentInput) -> Events:
        """By the agent of `ag-ui-langgraph`."""
        return _events(self._agent.run(given))

    async def told(self) -> Told:
        """The graph's state."""
        from langchain_core.messages import AIMessage, ToolMessage

        values = (await self._graph.aget_state({"configurable": {"thread_id": THREAD}})).values
        told = Told(state={"hotel": values["hotel"]})
        asked: dict[str, Any] = {}
        for message in values["messages"]:
            if isinstance(message, AIMessage):
                told.words += [str(message.content)] if message.content else []
                told.thoughts += message.additional_kwargs.get("reasoning_content", "").splitlines()
                asked |= {str(each["id"]): each for each in message.tool_calls}
            elif isinstance(message, ToolMessage):
                call = asked[message.tool_call_id]
                told.calls[message.tool_call_id] = (call["name"], call["args"], message.content)
        return told


class GoogleADKProgram(Program):
    """An agent with one of the others as a tool, that transfers to the third."""

    name = "google-adk"

    def __init__(self, how: How) -> None:
        from ag_ui_adk import ADKAgent  # type: ignore[import-untyped]
        from google.adk.agents import LlmAgent
        from google.adk.sessions import InMemorySessionService
        from google.adk.tools.agent_tool import AgentTool

        from support.adk_team import Scripted, keep

        super().__init__(how)
        researcher = LlmAgent(name="researcher", model=Scripted(script=[f"Casa Azul in {how.about} is free."]))
        kept = "Nowhere" if how.about == "Nowhere" else "Casa Azul"
        keeping = [["I keep it.", ("keep", {"hotel": kept}, "c-3")], how.last("Dear Maya, Casa Azul.")]
        speaks = Scripted(script=keeping, fails_at=how.fails_at, pause=how.pause)
        writer = LlmAgent(name="writer", model=speaks, tools=[keep])
        asking = [
            [("thought", "Who can do this?"), "I ask.", ("researcher", {"request": how.about}, "c-1")],
            [("transfer_to_agent", {"agent_name": "writer"}, "c-2")],
        ]
        root = LlmAgent(
            name="concierge", model=Scripted(script=asking), tools=[AgentTool(researcher)], sub_agents=[writer]
        )
        self.made = {"root_agent": root}
        self._sessions = InMemorySessionService()
        self._agent = ADKAgent(adk_agent=root, app_name="trips", user_id="maya", session_service=self._sessions)

    def run(self, given: RunAgentInput) -> Events:
        """By the agent of `ag-ui-adk`."""
        return _events(self._agent.run(given))

    async def told(self) -> Told:
        """ADK's session."""
        ((found,),) = [(await self._sessions.list_sessions(app_name="trips", user_id="maya")).sessions]
        session = await self._sessions.get_session(app_name="trips", user_id="maya", session_id=found.id)
        assert session is not None
        told, asked = Told(state={name: session.state[name] for name in ("asked", "hotel")}), dict[str, Any]()
        for event in session.events:
            for part in (event.content.parts if event.content and event.author != "user" else None) or ():
                if part.text:
                    (told.thoughts if part.thought else told.words).append(part.text)
                elif part.function_call:
                    asked[str(part.function_call.id)] = part.function_call
                elif part.function_response:
                    id = str(part.function_response.id)
                    told.calls[id] = (asked[id].name, asked[id].args, part.function_response.response)
        return told


class AgnoProgram(Program):
    """A team with a leader."""

    name, merges, raises = "agno", True, False

    def __init__(self, how: How) -> None:
        from support.agno_team import Scripted, leading, team

        super().__init__(how)
        leader = Scripted(script=leading(how.last(" That is all.")), fails_at=how.fails_at, pause=how.pause)
        self._team = team(how.about, leader)
        self.made = {"team": self._team}

    def run(self, given: RunAgentInput) -> Events:
        """As its AG-UI interface does."""
        from agno.os.interfaces.agui.router import run_entity

        return _events(run_entity(self._team, given))

    async def told(self) -> Told:
        """What the team and its members remember."""
        output: Any = await self._team.aget_last_run_output(session_id=THREAD)
        told = Told(state=await self._team.aget_session_state(session_id=THREAD))
        _of_agno(told, output.messages, [each.messages for each in output.member_responses])
        return told


def _of_agno(told: Told, messages: list[Any], members: list[list[Any]]) -> None:
    asked: dict[str, Any] = {}
    for message in messages:
        if message.role == "assistant":
            told.words += [message.content] if message.content else []
            for call in message.tool_calls or ():
                asked[call["id"]] = call["function"]
        elif message.role == "tool":
            call = asked[message.tool_call_id]
            if call["name"] == "delegate_task_to_member":
                _of_agno(told, members.pop(0), [])
            told.calls[message.tool_call_id] = (call["name"], json.loads(call["arguments"]), message.content)


class Asks(ABC):
    """A program whose agent has a tool, `book`, with which it waits for a person."""

    name: str
    call = "c-9"

    @abstractmethod
    def run(self) -> Events:
        """Run it until it waits."""

    @abstractmethod
    def go_on(self, asked: str | None) -> Events:
        """Go on with a person's consent; `asked` is the id of the question, if it was asked."""


class LangGraphAsks(Asks):
    """A tool that interrupts the graph."""

    name = "langgraph"

    def __init__(self) -> None:
        from ag_ui_langgraph import LangGraphAgent
        from langchain_core.messages import AIMessage
        from langgraph.checkpoint.memory import InMemorySaver

        from support.langgraph_team import Scripted, calls, with_tools

        model = Scripted(script=[calls("book", self.call, city="Lisbon"), AIMessage("It is booked.")])
        graph = with_tools(model, InMemorySaver())
        self._agent = LangGraphAgent(name="trip", graph=graph, emit_raw_events=False, emit_interrupt_outcome=True)

    def run(self) -> Events:
        """It ends with the interrupt."""
        return _events(self._agent.run(run_input()))

    def ask_again(self) -> Events:
        """Run it, without an answer."""
        return _events(self._agent.run(run_input("r3")))

    def go_on(self, asked: str | None) -> Events:
        """The answer resumes the graph."""
        resume = [{"interruptId": asked, "status": "resolved", "payload": "yes"}]
        return _events(self._agent.run(run_input("r2", resume=resume)))


class AgnoAsks(Asks):
    """A tool that has to be confirmed."""

    name = "agno"

    def __init__(self) -> None:
        from support.agno_team import asks_before_it_books

        self._agent = asks_before_it_books()

    def _run(self, given: RunAgentInput) -> Events:
        from agno.os.interfaces.agui.router import run_entity

        return _events(run_entity(self._agent, given))

    def run(self) -> Events:
        """It ends with a call that the page is to answer."""
        return self._run(run_input())

    def go_on(self, asked: str | None) -> Events:
        """The result that the page gives is the answer."""
        answer = ToolMessage(id="t1", role="tool", tool_call_id=self.call, content='{"accepted": true}')
        return self._run(run_input("r2", messages=[*run_input().messages, answer]))


PROGRAMS: list[type[Program]] = [LangGraphProgram, GoogleADKProgram, AgnoProgram]
