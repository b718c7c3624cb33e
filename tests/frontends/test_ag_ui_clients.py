"""AG-UI by its own clients: a team of three, cut connections, other devices, a restart. The end is always the native
reading's, word for word, and the agent's work is done once.

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
from support.shown_texts import ag_ui_texts

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

RUN = "ag_ui/run.mjs"
CLIENTS = ("@ag-ui/client", "ag-ui-client-0")
ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
WAYS = [(client, how) for client in CLIENTS for how in ("fin", "rst")]
SAYS = [["m-1", "Plan a trip to Lisbon."]]


async def same_as_native(end: dict[str, Any], heard: Any) -> None:
    """The page has what the session has."""
    assert end["error"] is None
    assert end.get("warned", []) == []
    assert ag_ui_texts(end["messages"]) == await heard.texts()
    assert end["state"] == await heard.state()


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_team_of_three_is_shown_whole(
    client: str, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url) as working:
        page = await open_page(
            RUN, client=client, url=f"{gateway.url}/v1/agui/agent/planner/run", thread="trip", says=SAYS, runs=[["r1"]]
        )
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
    assert working.served == {"r1": 1}
    assert end["ended"] == {"r1": {"outcome": "success", "result": {"planned": True}}}
    authors = {each["name"]: each.get("subagentRunId") for each in end["messages"] if each["role"] == "assistant"}
    assert authors == {"planner": None, "hotels": "hotels", "trams": "trams"}
    (asked,) = [each for each in end["messages"] if each["role"] == "assistant" and each.get("toolCalls")]
    assert (asked["name"], asked["toolCalls"][0]["function"]["name"]) == ("planner", "search")
    (came,) = [each for each in end["messages"] if each["role"] == "tool"]
    assert came["content"] == '["Casa Azul","Hotel Lis"]'


@pytest.mark.parametrize(("client", "how"), WAYS if ALL else WAYS[1:3])
async def test_every_connection_is_cut_after_six_events(
    client: str, how: Cut, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    gateway = await start()
    async with team(gateway.url) as working, cutting(gateway.url, 6, how) as proxy:
        page = await open_page(
            RUN,
            client=client,
            fetch=resuming_fetch,
            url=f"{proxy.url}/v1/agui/agent/planner/run",
            thread="trip",
            says=SAYS,
            runs=[["r1"]],
        )
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        assert proxy.cuts > 10
    assert working.served == {"r1": 1}
    assert end["ended"]["r1"]["result"] == {"planned": True}


@pytest.mark.parametrize("client", CLIENTS if ALL else CLIENTS[:1])
async def test_a_second_device_joins_in_mid_sentence(
    client: str, start: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/agui/agent/planner"
        first = await open_page(RUN, client=client, url=f"{url}/run", thread="trip", says=SAYS, runs=[["r1"]])
        await first.shows("trams-5 ")
        async with cutting(gateway.url, 6, "rst") as proxy:
            second = await open_page(
                RUN,
                client=client,
                fetch=resuming_fetch,
                url=f"{proxy.url}/v1/agui/agent/planner/connect",
                thread="trip",
                runs=[["c1"]],
            )
            await second.until(lambda told: told.get("event", {}).get("type") == "STATE_SNAPSHOT")
            working.go.set()
            ends = await asyncio.gather(first.end(), second.end())
        for end in ends:
            await same_as_native(end, heard(gateway.url))
    assert working.served == {"r1": 1}
    begun = [event["type"] for event in second.events][:5]
    assert begun[:3] == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "STATE_SNAPSHOT"]
    joined = next(event for event in second.events if event["type"] == "TEXT_MESSAGE_CONTENT")
    assert joined["delta"].count(" ") > 1
    assert begun[3] in ("TEXT_MESSAGE_START", "REASONING_START")


@pytest.mark.parametrize("client", CLIENTS)
async def test_another_device_stops_the_run(
    client: str, start: Any, team: Any, open_page: Any, http: aiohttp.ClientSession, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        url = f"{gateway.url}/v1/agui/agent/planner"
        page = await open_page(RUN, client=client, url=f"{url}/run", thread="trip", says=SAYS, runs=[["r1"]])
        await page.shows(*MID_SENTENCE)
        for _ in range(2):
            async with http.post(f"{url}/stop/trip?participant=phone", json={"runId": "r1"}) as answer:
                assert (answer.status, (await answer.json())["success"]) == (200, True)
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        assert len(ag_ui_texts(end["messages"])) == 6
        assert len(await heard(gateway.url).events("signal.raised")) == 1
    assert working.served == {"r1": 1}
    assert end["ended"]["r1"]["outcome"] == ("cancelled" if client == "@ag-ui/client" else "success")


async def test_the_gateway_is_restarted(
    restartable: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    given = {"client": "@ag-ui/client", "fetch": resuming_fetch, "thread": "trip", "says": SAYS, "runs": [["r1"]]}
    async with restartable() as gateway, team(gateway.url, held=True) as working:
        page = await open_page(RUN, url=f"{gateway.url}/v1/agui/agent/planner/run", **given)
        await page.shows("hotels-5 ")
        await gateway.restart()
        working.go.set()
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
    assert working.served == {"r1": 1}
    assert end["ended"]["r1"]["result"] == {"planned": True}
