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
from support.client_page import MID_SENTENCE
from support.cutting_proxy import Cut, cutting
from support.shown_texts import plain_texts

from stenogram.client import Client

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
WAYS = [(react, how) for react in (True, False) for how in ("fin", "rst")]
PAGE = "langchain/use_stream.mjs"
SAYS = [["submit", [["m-1", "Plan a trip to Lisbon."]]]]
RUN = "lc-a461b472cb41a9ec3dee5c90cf8e4a78"
"""Of the message m-1."""


def says(told: dict[str, Any], words: str) -> bool:
    """Whether a page shows this."""
    return any(words in each["text"] for each in told.get("shown", ()))


async def same_as_native(end: dict[str, Any], heard: Any) -> None:
    """The page has what the session has, and each message once."""
    assert end["error"] is None
    assert len({each["id"] for each in end["messages"]}) == len(end["messages"])
    assert plain_texts(end["messages"]) == await heard.texts()
    assert end["values"] == await heard.state()


@pytest.mark.parametrize("react", [True, False])
async def test_a_team_of_three_is_shown_whole(
    react: bool, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/langchain"
        given = {"react": react, "url": url, "thread": "trip", "assistant": "planner", "namespace": ["hotels"]}
        page, native = await open_page(PAGE, **given, does=SAYS), heard(gateway.url)
        await page.until(lambda told: says(told, "hotels-5 ") and says(told, "trams-5 "))  # while both are at it
        working.go.set()
        end = await native.whole_on(page)
        await same_as_native(end, native)
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
    assert plain_texts(end["part"]) == plain_texts(hotels) != {}
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
            does=SAYS,
            fetch=resuming_fetch,
        )
        native = heard(gateway.url)
        await same_as_native(await native.whole_on(page), native)
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
        await first.shows("trams-5 ")
        second = await open_page(
            PAGE,
            url=f"{proxy.url}/v1/langchain",
            thread="trip",
            assistant="planner",
            does=[],
            fetch=resuming_fetch,
        )
        await second.shows("trams-5 ")
        assert not says(second.seen[-1], "trams-6 ")
        working.go.set()
        native = heard(gateway.url)
        for end in await asyncio.gather(native.whole_on(first), native.whole_on(second)):
            await same_as_native(end, native)
    assert working.served == {RUN: 1}


async def test_another_device_stops_the_run(
    start: Any, team: Any, open_page: Any, http: aiohttp.ClientSession, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/langchain"
        page = await open_page(PAGE, react=True, url=url, thread="trip", assistant="planner", does=SAYS)
        await page.shows(*MID_SENTENCE)
        for _ in range(2):
            cancel = f"{url}/threads/trip/runs/{RUN}/cancel?wait=0&action=interrupt&participant=phone"
            async with http.post(cancel) as answer:
                assert (answer.status, await answer.json()) == (200, {"stopped": [RUN]})
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
        assert len(await heard(gateway.url).events("signal.raised")) == 1
    assert working.served == {RUN: 1}
    assert len(plain_texts(end["messages"])) == 6


async def test_the_page_stops_the_run(start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]) -> None:
    gateway = await start()
    async with team(gateway.url, held=True):
        does = [["submitting", "m-1", "Plan a trip to Lisbon."], ["shown", "planner-5 "], ["stop"]]
        given = {"react": True, "url": f"{gateway.url}/v1/langchain", "thread": "trip", "assistant": "planner"}
        page, native = await open_page(PAGE, **given, does=does), heard(gateway.url)
        await same_as_native(await native.whole_on(page), native)


async def test_the_gateway_is_restarted(
    restartable: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    """The stock fetch is enough for that: the SDK connects again, and gets the newest run anew."""
    given = {"react": True, "thread": "trip", "assistant": "planner", "does": SAYS}
    async with restartable() as gateway, team(gateway.url, held=True) as working:
        page, native = await open_page(PAGE, url=f"{gateway.url}/v1/langchain", **given), heard(gateway.url)
        await page.shows("hotels-5 ")
        await gateway.restart()
        working.go.set()
        await same_as_native(await native.whole_on(page), native)
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
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
    assert [each["text"] for each in end["messages"]] == [
        *("Book it.", "Wait.", "Window seats, please", "Booked: yes.")
    ]
    (asked,) = [told["interrupts"] for told in page.seen if "interrupts" in told]
    assert [each["value"]["question"] for each in asked] == ["Book Window seats, please?"]
