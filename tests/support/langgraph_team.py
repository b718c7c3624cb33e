"""A graph of three agents with models that are none: a planner, a researcher with a tool, and a writer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from langgraph.types import interrupt

from support.scripts import hung_up

USAGE: Any = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


class Scripted(BaseChatModel):
    """Answers by a script, in words that come one by one."""

    script: list[AIMessage]
    pause: float = 0.0
    turn: int = 0
    fails_at: int | None = None

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """It knows already which to call."""
        return self

    def _next(self) -> AIMessage:
        self.turn += 1
        return self.script[(self.turn - 1) % len(self.script)]

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        said = self._next()
        return ChatResult(generations=[ChatGeneration(message=said.model_copy(update={"usage_metadata": USAGE}))])

    async def _astream(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        said = self._next()
        thought = said.additional_kwargs.get("reasoning_content")
        pieces: list[AIMessageChunk] = []
        if thought:
            pieces.append(AIMessageChunk(content="", additional_kwargs={"reasoning_content": thought}))
        pieces += [AIMessageChunk(content=word) for word in str(said.content).split(" ") if word]
        pieces += [AIMessageChunk(content="", tool_call_chunks=[each]) for each in _chunks(said)]
        for number, piece in enumerate(pieces):
            if piece.content and number + 1 < len(pieces) and pieces[number + 1].content:
                piece.content = f"{piece.content} "
            if number == self.fails_at:
                raise hung_up()
            chunk = ChatGenerationChunk(message=piece)
            if run_manager is not None:
                await run_manager.on_llm_new_token(str(piece.content), chunk=chunk)
            yield chunk
            await asyncio.sleep(self.pause)
        last: Any = AIMessageChunk(content="", usage_metadata=USAGE, chunk_position="last")
        chunk = ChatGenerationChunk(message=last)
        if run_manager is not None:
            await run_manager.on_llm_new_token("", chunk=chunk)
        yield chunk


def _chunks(said: AIMessage) -> list[Any]:
    """Each call's name, and then its arguments in two pieces."""
    chunks = list[Any]()
    for number, each in enumerate(said.tool_calls):
        given = json.dumps(each["args"])
        pieces = ("", given[:4], given[4:])
        about: list[dict[str, Any]] = [{"name": each["name"], "id": each["id"]}, *[{"name": None, "id": None}] * 2]
        chunks += [who | {"args": piece, "index": number} for who, piece in zip(about, pieces, strict=True)]
    return chunks


@tool
def find_hotels(city: str) -> str:
    """Find hotels."""
    if city == "Nowhere":
        raise ValueError("no such city")
    return f"Casa Azul in {city}"


@tool
def book(city: str) -> str:
    """Book, if a person says so."""
    return f"booked in {city}: {interrupt({'message': 'Book it?', 'reason': 'confirm'})}"


def calls(name: str, id: str, **arguments: Any) -> AIMessage:
    """An answer that calls a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": id}])


class Trip(MessagesState):
    """What a graph keeps besides what is said."""

    hotel: str


def team(about: str = "Lisbon", pause: float = 0.0, **scripts: Scripted) -> Any:
    """The graph."""
    planner = scripts.get("planner") or Scripted(
        script=[AIMessage(f"First a hotel in {about}.", additional_kwargs={"reasoning_content": "What first?"})],
        pause=pause,
    )
    researcher = scripts.get("researcher") or Scripted(
        script=[calls("find_hotels", "call-1", city=about), AIMessage("Casa Azul is free.")], pause=pause
    )
    writer = scripts.get("writer") or Scripted(script=[AIMessage(f"Dear Maya, Casa Azul in {about}.")], pause=pause)
    builder = StateGraph(MessagesState)
    builder.add_node("planner", speaks(planner))
    builder.add_node("researcher", with_tools(researcher))
    builder.add_node("writer", speaks(writer))
    builder.add_edge(START, "planner")
    builder.add_edge("planner", "researcher")
    builder.add_edge("researcher", "writer")
    return builder.compile(name="trip")


def speaks(model: Scripted, **keeps: Any) -> Any:
    """A node that answers, and keeps something in the state."""

    async def node(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])], **keeps}

    return node


def with_tools(model: Scripted, checkpointer: Any = None) -> Any:
    """A graph that answers by tools."""
    builder = StateGraph(MessagesState)
    builder.add_node("agent", speaks(model))
    builder.add_node("tools", ToolNode([find_hotels, book]))
    builder.add_edge(START, "agent")
    builder.add_conditional_edges("agent", tools_condition)
    builder.add_edge("tools", "agent")
    return builder.compile(name="researcher", checkpointer=checkpointer)


def in_one_node(model: Scripted, **keeps: Any) -> Any:
    """A graph of one node, which asks, calls a tool and goes on."""

    async def node(state: Trip) -> Any:
        asked = await model.ainvoke(state["messages"])
        found = await find_hotels.ainvoke(dict(asked.tool_calls[0]))
        return {"messages": [asked, found, await model.ainvoke([*state["messages"], asked, found])], **keeps}

    builder = StateGraph(Trip)
    builder.add_node("agent", node)
    builder.add_edge(START, "agent")
    return builder.compile(checkpointer=InMemorySaver())
