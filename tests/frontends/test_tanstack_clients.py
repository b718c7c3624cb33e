"""TanStack AI by its own client, over server-sent events and over a WebSocket: a team of three, cut connections, other
devices, a restart. The end is always the native reading's, word for word, and the agent's work is done once.

Each connection in each way: STENOGRAM_FRONTENDS=all.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from support.cutting_proxy import Cut, cutting
from support.shown_texts import plain_texts

from stenogram.client import Client

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
WAYS = [(socket, how) for socket in (True, False) for how in ("fin", "rst")]
PAGE = "tanstack_ai/chat.mjs"
ADDRESS = "/v1/tanstack_ai/agent/planner/threads/trip"
SAYS = [["say", "m-1", "Plan a trip to Lisbon."]]


def says(told: dict[str, Any], words: str) -> bool:
    """Whether a page shows this."""
    return any(words in each["text"] for each in told.get("shown", ()))


async def same_as_native(end: dict[str, Any], heard: Any) -> None:
    """The page has what the session has, and each message once."""
    assert end["error"] is None
    assert len({each["id"] for each in end["messages"]}) == len(end["messages"])
    assert plain_texts(end["messages"]) == await heard.texts()


@pytest.mark.parametrize("socket", [True, False])
async def test_a_team_of_three_is_shown_whole(
    socket: bool, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        page = await open_page(PAGE, socket=socket, url=f"{gateway.url}{ADDRESS}", thread="trip", does=SAYS)
        await page.until(lambda told: says(told, "hotels-5 ") and says(told, "trams-5 "))  # while both are at it
        working.go.set()
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
    assert list(working.served.values()) == [1]
    assert end["ends"] == [["RUN_FINISHED", None, {"planned": True}]]
    assert {each["name"] for each in end["messages"]} == {"user", "planner", "hotels", "trams"}
    (asked,) = [each for each in end["messages"] if each["calls"]]
    assert (asked["name"], asked["calls"]) == (
        "planner",
        [["search", '{"city":"Lisbon"}', ["Casa Azul", "Hotel Lis"]]],
    )


@pytest.mark.parametrize(("socket", "how"), WAYS if ALL else WAYS[1:3])
async def test_every_connection_is_cut_after_six_events(
    socket: bool, how: Cut, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url) as working, cutting(gateway.url, 6, how) as proxy:
        page = await open_page(PAGE, socket=socket, url=f"{proxy.url}{ADDRESS}", thread="trip", does=SAYS)
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
        assert proxy.cuts > 10
    assert list(working.served.values()) == [1]
    assert end["ends"] == [["RUN_FINISHED", None, {"planned": True}]]


async def test_a_second_device_joins_in_mid_sentence(
    start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working, cutting(gateway.url, 6, "rst") as proxy:
        first = await open_page(PAGE, url=f"{gateway.url}{ADDRESS}", thread="trip", does=SAYS)
        await first.shows("trams-5 ")
        second = await open_page(PAGE, url=f"{proxy.url}{ADDRESS}", thread="trip", hydrates=True, does=[])
        await second.shows("trams-5 ")
        assert not says(second.seen[-1], "trams-6 ")
        working.go.set()
        native = heard(gateway.url)
        for end in await asyncio.gather(native.whole_on(first), native.whole_on(second)):
            await same_as_native(end, native)
    assert list(working.served.values()) == [1]


async def test_another_device_stops_the_run(
    start: Any, team: Any, open_page: Any, http: aiohttp.ClientSession, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}{ADDRESS}"
        page = await open_page(PAGE, url=url, thread="trip", does=SAYS)
        await page.shows("planner-5 ")
        (run,) = working.served
        for place in (f"runs/{run}/stop", "stop"):
            async with http.post(f"{url}/{place}?participant=phone") as answer:
                assert (answer.status, await answer.json()) == (200, {"stopped": [run]})
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
        assert len(await heard(gateway.url).events("signal.raised")) == 1
    assert end["ends"] == [["RUN_FINISHED", "cancelled", None]]


async def test_the_page_stops_the_run_over_its_socket(
    start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True):
        does = [["saying", "m-1", "Plan a trip."], ["shown", "planner-5 "], ["stop"]]
        page = await open_page(PAGE, socket=True, url=f"{gateway.url}{ADDRESS}", thread="trip", does=does)
        await heard(gateway.url).over()
        await page.end()
        assert len(await heard(gateway.url).events("signal.raised")) == 1


@pytest.mark.parametrize("socket", [True, False] if ALL else [False])
async def test_the_gateway_is_restarted(
    socket: bool, restartable: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    async with restartable() as gateway, team(gateway.url, held=True) as working:
        page = await open_page(PAGE, socket=socket, url=f"{gateway.url}{ADDRESS}", thread="trip", does=SAYS)
        await page.shows("hotels-5 ")
        await gateway.restart()
        working.go.set()
        native = heard(gateway.url)
        await same_as_native(await native.whole_on(page), native)
    assert list(working.served.values()) == [1]


async def test_a_question_is_answered(start: Any, open_page: Any, heard: Callable[[str], Any]) -> None:
    gateway = await start()
    does = [["say", "m-1", "Book it."], ["asked"], ["answer", True], ["shown", "Booked"]]
    page = await open_page(PAGE, url=f"{gateway.url}{ADDRESS}", thread="trip", does=does)
    async with Client(gateway.url, participant="planner") as client, client.agent(session="trip") as agent:
        async for task in agent.tasks("run"):
            async with task:
                answer = await agent.session.approvals.ask("Book it for 300?", options=["yes", "no"])
                async with agent.say() as message:
                    await message.write(f"Booked: {answer}.")
                await task.complete({})
            break
        native = heard(gateway.url)
        end = await native.whole_on(page)
        await same_as_native(end, native)
    assert [each["text"] for each in end["messages"]] == ["Book it.", "Booked: yes."]
    assert [told["asked"]["message"] for told in page.seen if "asked" in told] == ["Book it for 300?"]
