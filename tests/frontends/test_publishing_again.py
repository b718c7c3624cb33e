"""What frameworks tell again, under ids that the session knows, is written once, and as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from ag_ui_langgraph import LangGraphAgent  # type: ignore[import-untyped]
from langchain_core.messages import AIMessage
from support.ag_ui_programs import THREAD, AgnoAsks, Asks, LangGraphAsks, run_input
from support.langgraph_team import Scripted, in_one_node
from support.native import native_events
from support.taps import Recorded, read

from stenogram.api.server import Gateway
from stenogram.client import Client, Session

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.timeout(240),
    pytest.mark.filterwarnings("ignore:.*get_config_jsonschema"),
]
ROOM = {"name": "find_hotels", "args": {"city": "Lisbon"}, "id": "c-1"}
asks = pytest.mark.parametrize("makes", [LangGraphAsks, AgnoAsks], ids=lambda each: each.name)


async def publish(session: Session, events: Any, into: list[Any] | None = None) -> Any:
    """Publish it, and keep what came."""

    async def tell() -> AsyncIterator[Any]:
        async for event in events:
            if into is not None:
                into.append(event)
            yield event

    return await session.publish_agui("hotels", tell())


def calls_of(found: Recorded) -> list[tuple[str, Any, Any, str]]:
    return [(each.tool, each.arguments, each.result, each.status) for each in found.calls.values()]


async def test_a_message_that_goes_on_after_a_call_is_another(gateway: Gateway) -> None:
    model = Scripted(script=[AIMessage("I look.", tool_calls=[ROOM]), AIMessage("It is free.")])
    agent, told = LangGraphAgent(name="trip", graph=in_one_node(model)), list[Any]()
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        published = await publish(session, agent.run(run_input()), told)
    (id,) = {each.message_id for each in told if each.type == "TEXT_MESSAGE_START"}  # it is one to the framework
    found = await read(gateway.url, THREAD)
    assert [each.text for each in found.messages.values()] == ["I look.", "It is free."]
    assert published.messages == tuple(found.messages)
    assert published.messages[0] == id
    (call,) = found.calls.values()
    assert (call.message, call.arguments, call.result) == (id, ROOM["args"], "Casa Azul in Lisbon")


async def test_raw_events_that_are_too_large_are_left_out(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    model = Scripted(script=[AIMessage("I look.", tool_calls=[ROOM]), AIMessage("It is free.")])
    hotel = "Casa Azul " * 60_000  # an event has what goes into the node and what comes out of it
    agent, told = LangGraphAgent(name="trip", graph=in_one_node(model, hotel=hotel)), list[Any]()
    given = run_input(state={"hotel": hotel})
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        await publish(session, agent.run(given), told)
        assert session.state.value["hotel"] == hotel
    sizes = [len(orjson.dumps(each.event)) for each in told if each.type == "RAW"]
    assert max(sizes) > 2**20
    kept = await native_events(http, gateway, "x.ag_ui.raw")
    assert len(kept) == len([each for each in sizes if each < 2**20 - 1_000])


@asks
async def test_a_call_that_waited_for_a_person_returns_in_the_next_run(makes: type[Asks], gateway: Gateway) -> None:
    program, first, second = makes(), list[Any](), list[Any]()
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        asked = (await publish(session, program.run(), first)).interrupts
        assert [each.status for each in (await read(gateway.url, THREAD)).calls.values()] == ["open"]
        published = await publish(session, program.go_on(*asked or (None,)), second)
        assert published.error is None
        for again in (first, second):  # nothing is written twice
            await session.publish_agui("hotels", again)
        found = await read(gateway.url, THREAD)
    ((tool, arguments, result, status),) = calls_of(found)
    assert (tool, arguments, status) == ("book", {"city": "Lisbon"}, "returned")
    assert str(result).startswith("booked in Lisbon")
    *_, last = found.messages.values()
    assert last.text.strip() == "It is booked."


@asks
async def test_a_call_that_was_abandoned_meanwhile_is_another_one_when_it_returns(
    makes: type[Asks], gateway: Gateway
) -> None:
    program, second, asked = makes(), list[Any](), ()
    async with Client(gateway.url, participant="hotels") as client:
        async with client.session(THREAD) as session:
            asked = (await publish(session, program.run())).interrupts
        async with client.session(THREAD) as session:
            await publish(session, program.go_on(*asked or (None,)), second)
            await session.publish_agui("hotels", second)
    found = await read(gateway.url, THREAD)
    abandoned, returned = calls_of(found)
    assert (abandoned[0], abandoned[3]) == (returned[0], "abandoned") == ("book", "abandoned")
    assert (returned[1], returned[3]) == ({"city": "Lisbon"}, "returned")
    assert str(returned[2]).startswith("booked in Lisbon")


async def test_a_question_that_is_asked_again_is_the_same(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    program = LangGraphAsks()
    async with Client(gateway.url, participant="hotels") as client, client.session(THREAD) as session:
        asked = (await publish(session, program.run())).interrupts
        assert (await publish(session, program.ask_again())).interrupts == asked
        (request,) = await native_events(http, gateway, "approval.requested")
    assert (request["data"]["approval"], request["data"]["question"]) == (asked[0], "Book it?")
