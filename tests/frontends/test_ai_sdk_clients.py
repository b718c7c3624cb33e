"""The AI SDK by its own packages, of versions 7 and 6: a team of three, cut connections, other devices, a restart. The
end is always the native reading's, word for word, and the agent's work is done once.

Each version in each way: STENOGRAM_FRONTENDS=all.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.cutting_proxy import Cut, cutting
from support.shown_texts import ai_sdk_texts

from stenogram.client import Client

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = "ai_sdk/page.mjs"
VERSIONS = ({"ai": "ai", "react": "@ai-sdk/react"}, {"ai": "ai-6", "react": "ai-sdk-react-3"})
ALL = os.environ.get("STENOGRAM_FRONTENDS") == "all"
WAYS = [(version, how) for version in VERSIONS for how in ("fin", "rst")]
SEND = ["send", ["m-1", "Plan a trip to Lisbon."]]
CHAT = "/v1/ai/agent/planner/chat"
GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "use-ag-ui.md"

each_version = pytest.mark.parametrize("version", VERSIONS, ids=("7", "6"))
one_version = pytest.mark.parametrize("version", VERSIONS if ALL else VERSIONS[:1], ids=str)


async def same_as_native(end: dict[str, Any], heard: Any) -> None:
    """The page has what the session has."""
    assert end["failures"] == []
    assert end["status"] == "ready"
    assert ai_sdk_texts(end["messages"]) == await heard.texts()


@each_version
async def test_a_team_of_three_is_shown_whole(
    version: dict[str, str], start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url) as working:
        page = await open_page(PAGE, **version, api=f"{gateway.url}{CHAT}", chat="trip", steps=[SEND, ["settle"]])
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        again = await open_page(PAGE, **version, api=f"{gateway.url}{CHAT}", chat="trip", load=True, steps=[["resume"]])
        loaded = await again.end()
    assert working.served == {"m-1": 1}
    user, assistant = end["messages"]
    assert (user["id"], assistant["id"], assistant["role"]) == ("m-1", "run.m-1", "assistant")
    assert assistant["metadata"]["stenogram"]["output"] == {"planned": True}
    agents = {part["data"]["agent"] for part in assistant["parts"] if part["type"] == "data-agent-message"}
    assert agents == {"hotels", "trams"}
    (call,) = [part for part in assistant["parts"] if part["type"] == "tool-search"]
    assert (call["state"], call["output"]) == ("output-available", ["Casa Azul", "Hotel Lis"])
    assert [said["fetched"][1:] for said in page.seen if "fetched" in said] == [[200, "v1"]]
    assert any(said["data"]["type"] == "data-state-patch" for said in page.seen if "data" in said)
    assert ai_sdk_texts(loaded["messages"]) == ai_sdk_texts(end["messages"])
    assert [said["fetched"][1] for said in again.seen if "fetched" in said] == [204]


@pytest.mark.parametrize(("version", "how"), WAYS if ALL else WAYS[1:3], ids=str)
async def test_every_connection_is_cut_after_six_events(
    version: dict[str, str],
    how: Cut,
    start: Any,
    team: Any,
    open_page: Any,
    heard: Callable[[str], Any],
    resuming_fetch: str,
) -> None:
    gateway = await start()
    async with team(gateway.url) as working, cutting(gateway.url, 6, how) as proxy:
        working.words = 96
        page = await open_page(
            PAGE, **version, fetch=resuming_fetch, api=f"{proxy.url}{CHAT}", chat="trip", steps=[SEND, ["settle"]]
        )
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        assert proxy.cuts > 4
    assert working.served == {"m-1": 1}


@each_version
async def test_a_page_whose_connection_is_cut_resumes_by_the_sdk_alone(
    version: dict[str, str], start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    """The stock client, which reads no ids: it takes a replay from the start, or the history of a run that is over."""
    gateway = await start()
    async with team(gateway.url, held=True) as working, cutting(gateway.url, 30, "rst") as proxy:
        working.words = 48
        page = await open_page(
            PAGE, **version, api=f"{proxy.url}{CHAT}", chat="trip", steps=[SEND, ["settle"], ["persist"]]
        )
        await page.shows("trams-5 ")
        working.go.set()
        end = await page.end()
        assert proxy.cuts
        await same_as_native({**end, "failures": []}, heard(gateway.url))
    assert working.served == {"m-1": 1}


@one_version
async def test_a_second_device_joins_in_mid_sentence(
    version: dict[str, str],
    start: Any,
    team: Any,
    open_page: Any,
    heard: Callable[[str], Any],
    resuming_fetch: str,
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        api = f"{gateway.url}{CHAT}"
        first = await open_page(PAGE, **version, api=api, chat="trip", steps=[SEND, ["settle"]])
        await first.shows("trams-5 ")
        async with cutting(gateway.url, 6, "rst") as proxy:
            second = await open_page(
                PAGE,
                **version,
                fetch=resuming_fetch,
                api=f"{proxy.url}{CHAT}",
                chat="trip",
                load=True,
                steps=[["resume"], ["settle"]],
            )
            await second.shows("planner-5 ")
            working.go.set()
            ends = await asyncio.gather(first.end(), second.end())
            assert proxy.cuts > 2
        for end in ends:
            await same_as_native(end, heard(gateway.url))
    assert working.served == {"m-1": 1}


@each_version
async def test_another_device_stops_the_run_and_a_closed_tab_does_not(
    version: dict[str, str],
    start: Any,
    team: Any,
    open_page: Any,
    http: aiohttp.ClientSession,
    heard: Callable[[str], Any],
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        api = f"{gateway.url}{CHAT}"
        closed = await open_page(PAGE, **version, api=api, chat="trip", steps=[SEND, ["settle"]])
        await closed.shows("planner-5 ")
        await closed.close()
        steps = [["resume"], ["settle"]]
        page = await open_page(PAGE, **version, api=api, chat="trip", load=True, steps=steps)
        await page.shows("planner-5 ")
        for _ in range(2):
            async with http.post(f"{api}/trip/stop?participant=phone", json={}) as answer:
                assert (answer.status, await answer.json()) == (200, {"success": True, "stopped": ["m-1"]})
        end = await page.end()
        await same_as_native(end, heard(gateway.url))
        assert len(await heard(gateway.url).events("signal.raised")) == 1
    assert working.served == {"m-1": 1}
    assert end["messages"][-1]["metadata"]["stenogram"]["outcome"] == "cancelled"


@each_version
async def test_the_hook_itself_sends_and_resumes(
    version: dict[str, str], start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        about = {**version, "api": f"{gateway.url}{CHAT}", "chat": "trip"}
        first = await open_page("ai_sdk/hook.mjs", says=[["m-1", "Plan a trip to Lisbon."]], **about)
        await first.shows("trams-5 ")
        second = await open_page("ai_sdk/hook.mjs", **about)
        await second.shows("planner-5 ")
        working.go.set()
        for end in await asyncio.gather(first.end(), second.end()):
            await same_as_native(end, heard(gateway.url))
            assert "planner-23 " in end["shown"][-1]
    assert working.served == {"m-1": 1}


def test_the_guide_changes_fewer_than_ten_lines() -> None:
    guide = (GUIDE.parent / "use-the-ai-sdk.md").read_text()
    changed = [line for line in guide.partition("```diff\n")[2].partition("```")[0].splitlines() if line[0] in "+-"]
    assert 0 < len(changed) < 10


async def test_the_gateway_is_restarted(
    restartable: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    given = {**VERSIONS[0], "fetch": resuming_fetch, "chat": "trip", "steps": [SEND, ["settle"]]}
    async with restartable() as gateway, team(gateway.url, held=True) as working:
        page = await open_page(PAGE, api=f"{gateway.url}{CHAT}", **given)
        await page.shows("hotels-5 ")
        await gateway.restart()
        working.go.set()
        await same_as_native(await page.end(), heard(gateway.url))
    assert working.served == {"m-1": 1}


@each_version
async def test_a_question_is_answered_by_a_tool_approval(
    version: dict[str, str], start: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    answers = list[Any]()

    async def serve() -> None:
        async with Client(gateway.url, participant="planner") as client, client.agent(session="trip") as agent:
            async for task in agent.tasks("run"):
                async with task:
                    async with agent.say() as message:
                        await message.write("I look. ")
                        async with agent.session.tool("book", {"room": 7}, message=message.id) as call:
                            answers.append(await agent.ask("Book it?", approval=call.id))
                            call.result = "booked"
                        answers.append(await agent.ask("Breakfast, too?"))
                        answers.append(await agent.ask("Which bed?", options=["soft", "hard"]))
                        await message.write("Done.")
                    await task.complete()
                break

    async with asyncio.TaskGroup() as group:
        group.create_task(serve())
        page = await open_page(
            PAGE,
            **version,
            api=f"{gateway.url}{CHAT}",
            chat="trip",
            automatic=True,
            answers={"Breakfast, too?": False, "Which bed?": {"option": "hard"}},
            steps=[SEND, ["settle"], ["answer"], ["answer"], ["answer"], ["over"]],
        )
        end = await page.end()
    assert answers == ["yes", "no", "hard"]
    await same_as_native(end, heard(gateway.url))
    assistant = end["messages"][-1]
    calls = {part["type"]: part for part in assistant["parts"] if part["type"] == "tool-book"}
    assert calls["tool-book"]["state"] == "output-available"
    asked = [part["state"] for part in assistant["parts"] if part["type"] == "tool-ask"]
    assert asked == ["output-available", "output-available"]
    assert len(end["messages"]) == 2
