"""LangChain's streams by the stock useStream of React, and by the newest SDK: a team of three, cut connections, other
devices, a restart. The end is always the native reading's, word for word, and the agent's work is done once.

Each client in each way: STENOGRAM_FRONTENDS=all.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from support.cutting_proxy import Cut, cutting

from stenogram.client import Client

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow]

ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
WAYS = [(react, how) for react in (True, False) for how in ("fin", "rst")]
PAGE = "langchain/use_stream.mjs"
SAYS = [["submit", [["m-1", "Plan a trip to Lisbon."]]]]
WHOLE = [["shown", f"{who}-23 "] for who in ("planner", "trams", "hotels")]
"""A page is told of a run's end by a stream of its own, which may be ahead of what is said."""
RUN = "lc-a461b472cb41a9ec3dee5c90cf8e4a78"
"""Of the message m-1."""


def texts(messages: list[dict[str, Any]]) -> dict[str, str]:
    """What each message says, by its id, and what was thought for it."""
    spoken = [each for each in messages if each["type"] != "tool"]
    thought = {f"{each['id']}/reasoning": each["thought"] for each in spoken if each["thought"]}
    return {**{each["id"]: each["text"] for each in spoken}, **thought}


def says(told: dict[str, Any], words: str) -> bool:
    """Whether a page shows this."""
    return any(words in each["text"] for each in told.get("shown", ()))


async def same_as_native(end: dict[str, Any], heard: Any) -> None:
    """The page has what the session has, and each message once."""
    assert end["error"] is None
    assert len({each["id"] for each in end["messages"]}) == len(end["messages"])
    assert texts(end["messages"]) == await heard.texts()
    assert end["values"] == await heard.state()


@pytest.mark.parametrize("react", [True, False])
async def test_a_team_of_three_is_shown_whole(
    react: bool, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/langchain"
        given = {"react": react, "url": url, "thread": "trip", "assistant": "planner", "namespace": ["hotels"]}
        page = await open_page(PAGE, **given, does=[*SAYS, *WHOLE])
        await page.until(lambda told: says(told, "hotels-5 ") and says(told, "trams-5 "))  # while both are at it
        working.go.set()
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
    assert working.served == {RUN: 1}
    assert [each["name"] for each in end["messages"] if each["type"] == "human"] == ["user"]
    if not react:  # the SDK that @langchain/react brings keeps no metadata of what is streamed
        assert {each["name"] for each in end["messages"] if each["type"] == "ai"} == {"planner", "hotels", "trams"}
    assert end["calls"] == [
        {
            "name": "search",
            "input": {"city": "Lisbon"},
            "output": ["Casa Azul", "Hotel Lis"],
            "status": "finished",
        }
    ]
    (asked,) = [each for each in end["messages"] if each["calls"]]
    assert (asked["name"], asked["calls"]) == ("planner", ["search"])
    assert sorted(end["subgraphs"], key=str) == [
        {"namespace": [name], "status": "complete"} for name in ("hotels", "trams")
    ]
    hotels = [each for each in end["messages"] if each["text"].startswith("hotels-")]
    assert texts(end["part"]) == texts(hotels) != {}
    assert end["ends"] == 1


@pytest.mark.parametrize(("react", "how"), WAYS if ALL else WAYS[1:3])
async def test_every_connection_is_cut_after_six_events(
    react: bool, how: Cut, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    gateway = await start()
    async with team(gateway.url) as working, cutting(gateway.url, 6, how) as proxy:
        page = await open_page(
            PAGE,
            react=react,
            url=f"{proxy.url}/v1/langchain",
            thread="trip",
            assistant="planner",
            does=[*SAYS, *WHOLE],
            fetch=resuming_fetch,
            quiet=700,
        )
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        assert proxy.cuts > 10
    assert working.served == {RUN: 1}


async def test_a_second_device_joins_in_mid_sentence(
    start: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working, cutting(gateway.url, 6, "rst") as proxy:
        first = await open_page(
            PAGE, react=True, url=f"{gateway.url}/v1/langchain", thread="trip", assistant="planner", does=SAYS
        )
        await first.until(lambda told: says(told, "trams-5 "))
        joins = [["shown", "trams-5 "], *WHOLE]
        second = await open_page(
            PAGE,
            url=f"{proxy.url}/v1/langchain",
            thread="trip",
            assistant="planner",
            does=joins,
            fetch=resuming_fetch,
            quiet=700,
        )
        await second.until(lambda told: says(told, "trams-5 "))
        working.go.set()
        for end in await asyncio.gather(first.end(), second.end()):
            await same_as_native(end, heard(gateway.url))
    assert working.served == {RUN: 1}
    assert any(says(told, "trams-5 ") and not says(told, "trams-6 ") for told in second.seen)


async def test_another_device_stops_the_run(
    start: Any, team: Any, open_page: Any, http: aiohttp.ClientSession, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/langchain"
        page = await open_page(PAGE, react=True, url=url, thread="trip", assistant="planner", does=SAYS)
        await page.until(lambda told: says(told, "planner-5 "))
        for _ in range(2):
            cancel = f"{url}/threads/trip/runs/{RUN}/cancel?wait=0&action=interrupt&participant=phone"
            async with http.post(cancel) as answer:
                assert (answer.status, await answer.json()) == (200, {"stopped": [RUN]})
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        async with http.get(f"{gateway.url}/v1/sessions/trip/events?types=signal.raised") as answer:
            assert len((await answer.json())["events"]) == 1
    assert working.served == {RUN: 1}
    assert len(texts(end["messages"])) > 2


async def test_the_page_stops_the_run(start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]) -> None:
    gateway = await start()
    async with team(gateway.url, held=True):
        does = [["submitting", "m-1", "Plan a trip to Lisbon."], ["shown", "planner-5 "], ["stop"]]
        given = {"react": True, "url": f"{gateway.url}/v1/langchain", "thread": "trip", "assistant": "planner"}
        page = await open_page(PAGE, **given, does=does, quiet=1000)
        await same_as_native(await page.end(), heard(gateway.url))


async def test_the_gateway_is_restarted(over_a_restart: Any, open_page: Any, heard: Callable[[str], Any]) -> None:
    """The stock fetch is enough for that: the SDK connects again, and gets the newest run anew."""
    given = {"react": True, "thread": "trip", "assistant": "planner", "does": [*SAYS, *WHOLE]}
    async with over_a_restart(
        lambda url: open_page(PAGE, url=f"{url}/v1/langchain", **given), lambda told: says(told, "hotels-5 ")
    ) as (url, working, page):
        await same_as_native(await page.end(), heard(url))
    assert working.served == {RUN: 1}


@pytest.mark.parametrize("react", [True, False])
async def test_questions_are_answered_and_those_at_work_are_steered(
    react: bool, start: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    does = [
        ["submitting", "m-1", "Book it."],
        ["shown", "Wait."],
        ["inject", [], "Window seats, please"],
        ["asked"],
        ["respond", {"decisions": [{"type": "approve"}]}],
        ["shown", "Booked"],
    ]
    given = {"react": react, "url": f"{gateway.url}/v1/langchain", "thread": "trip", "assistant": "planner"}
    page = await open_page(PAGE, **given, does=does)
    async with Client(gateway.url, participant="planner") as client, client.agent(session="trip") as agent:
        async for task in agent.tasks("run"):
            async with task:
                async with agent.say() as message:
                    await message.write("Wait.")
                steer = await anext(aiter(task.steer))
                answer = await agent.session.approvals.ask(f"Book {steer}?", options=["yes", "no"])
                async with agent.say() as message:
                    await message.write(f"Booked: {answer}.")
                await task.complete({})
            break
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
    assert [each["text"] for each in end["messages"]] == [
        *("Book it.", "Wait.", "Window seats, please", "Booked: yes.")
    ]
    (asked,) = [told["interrupts"] for told in page.seen if "interrupts" in told]
    assert [each["value"]["question"] for each in asked] == ["Book Window seats, please?"]
