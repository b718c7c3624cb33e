"""What the tap of LangGraph does beside what all taps do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import Field
from support.langgraph_team import Scripted, calls, find_hotels, team
from support.taps import claimed, recorded

from stenogram.adapters.taps.langgraph import LangGraphTap
from stenogram.client import Client

if TYPE_CHECKING:
    from stenogram.api.server import Gateway

pytestmark = pytest.mark.thorough


def _config(tap: LangGraphTap, thread: str = "trip") -> Any:
    return {"callbacks": [tap], "configurable": {"thread_id": thread}}


async def test_models_that_are_not_streamed_are_recorded_whole(gateway: Gateway) -> None:
    async with LangGraphTap(gateway.url) as tap:
        ended = await team().ainvoke({"messages": "A hotel?"}, _config(tap))
    found = await recorded(gateway.url, "trip")
    assert [text for _, text in found.words if text][-1] == ended["messages"][-1].content
    assert max(each.deltas for each in found.messages.values()) <= 2  # a thought, and a text


async def test_models_are_made_to_stream_where_the_tap_is_told_to(gateway: Gateway) -> None:
    async with LangGraphTap(gateway.url, always_stream=True) as tap:
        await team(pause=0.06).ainvoke({"messages": "A hotel?"}, _config(tap))
    found = await recorded(gateway.url, "trip")
    assert max(each.deltas for each in found.messages.values()) > 2


@pytest.mark.filterwarnings("ignore:.*is in beta")
async def test_the_newer_protocol_of_streams_is_recorded(gateway: Gateway) -> None:
    text = "Casa Azul is free from Monday to Friday, says the woman at the desk there."
    async with LangGraphTap(gateway.url, session="trip") as tap:
        model = Scripted(script=[AIMessage(text)], pause=0.25)  # for longer than a slow gateway takes for the first
        async for _ in await model.astream_events("A hotel?", version="v3", config={"callbacks": [tap]}):
            pass
    found = await recorded(gateway.url, "trip")
    (said,) = found.messages.values()
    assert (said.text, said.status) == (text, "completed")
    assert said.deltas > 2


async def test_a_synchronous_graph_is_recorded_from_threads(gateway: Gateway) -> None:
    def node(state: MessagesState) -> Any:
        return {"messages": [Scripted(script=[AIMessage("Casa Azul.")]).invoke(state["messages"])]}

    builder = StateGraph(MessagesState)
    builder.add_node("planner", node)
    builder.add_edge(START, "planner")
    graph: Any = builder.compile()
    async with LangGraphTap(gateway.url) as tap:
        runs = [asyncio.to_thread(graph.invoke, {"messages": "?"}, _config(tap, f"trip-{n}")) for n in range(4)]
        await asyncio.gather(*runs)
    for n in range(4):
        assert (await recorded(gateway.url, f"trip-{n}")).words == [("planner", "Casa Azul.")]


async def test_an_agent_in_a_tool_is_a_sub_agent(gateway: Gateway) -> None:
    inner = StateGraph(MessagesState)

    async def model(state: MessagesState) -> Any:
        return {"messages": [await Scripted(script=[AIMessage("Casa Azul.")]).ainvoke(state["messages"])]}

    inner.add_node("model", model)
    inner.add_edge(START, "model")
    searcher: Any = inner.compile(name="searcher")

    @tool
    async def search(city: str, config: RunnableConfig) -> str:
        """Search."""
        return str((await searcher.ainvoke({"messages": city}, config))["messages"][-1].content)

    outer = StateGraph(MessagesState)
    concierge = Scripted(script=[calls("search", "call-1", city="Lisbon"), AIMessage("Stay at Casa Azul.")])

    async def agent(state: MessagesState) -> Any:
        return {"messages": [await concierge.ainvoke(state["messages"])]}

    outer.add_node("concierge", agent)
    outer.add_node("tools", ToolNode([search]))
    outer.add_edge(START, "concierge")
    outer.add_conditional_edges("concierge", tools_condition)
    outer.add_edge("tools", "concierge")
    async with LangGraphTap(gateway.url) as tap:
        graph: Any = outer.compile()
        await graph.ainvoke({"messages": "A hotel?"}, _config(tap))
    found = await recorded(gateway.url, "trip")
    said = [(each.who, each.text, each.audience) for each in found.messages.values() if each.text]
    assert said == [("searcher", "Casa Azul.", ("agents",)), ("concierge", "Stay at Casa Azul.", None)]
    (called,) = found.calls.values()
    assert (called.who, called.tool, called.result) == ("concierge", "search", "Casa Azul.")


async def test_a_tool_that_raises_is_an_error_in_the_record(gateway: Gateway) -> None:
    async with LangGraphTap(gateway.url, session="trip") as tap:
        with pytest.raises(ValueError, match="no such city"):
            await find_hotels.ainvoke({"city": "Nowhere"}, {"callbacks": [tap]})
    found = await recorded(gateway.url, "trip")
    (called,) = found.calls.values()
    assert (called.tool, called.arguments, called.error) == ("find_hotels", {"city": "Nowhere"}, "ValueError")


class _Held(Scripted):
    """Answers when it may."""

    may_answer: asyncio.Event = Field(default_factory=asyncio.Event)

    async def _agenerate(self, *args: Any, **more: Any) -> ChatResult:
        await self.may_answer.wait()
        return await super()._agenerate(*args, **more)


async def test_an_instruction_is_refused_since_there_is_no_way(gateway: Gateway) -> None:
    async with (
        LangGraphTap(gateway.url) as tap,
        Client(gateway.url, participant="maya", kind="user") as client,
        client.session("trip") as maya,
    ):
        held = _Held(script=[AIMessage("Dear Maya.")])
        running = asyncio.ensure_future(team(writer=held).ainvoke({"messages": "A hotel?"}, _config(tap)))
        await maya.live.until(lambda: claimed(maya))
        signal = await maya.signals.steer("agent:trip", "With a view.")
        await maya.signals.settled(signal)
        held.may_answer.set()
        await running
        found = await recorded(gateway.url, "trip", beside=["maya"])
    (refused,) = [event for event in found.events if event.type == "signal.refused"]
    assert "no way to give instructions" in str(refused.data)
