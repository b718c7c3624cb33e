"""CopilotKit's browser core, with the gateway in the place of its runtime."""

from collections.abc import Callable
from typing import Any

import pytest
from support.cutting_proxy import cutting
from support.shown_texts import ag_ui_texts

pytestmark = [pytest.mark.thorough, pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]

COPILOT = "ag_ui/copilot.mjs"
SAYS = [["m-1", "Plan a trip to Lisbon."]]


async def test_it_runs_without_a_runtime_over_cut_connections(
    start: Any, team: Any, open_page: Any, heard: Callable[[str], Any], resuming_fetch: str
) -> None:
    gateway = await start(ag_ui_agents=("planner",))
    async with team(gateway.url) as working, cutting(gateway.url, 6, "rst") as proxy:
        page = await open_page(
            COPILOT, url=f"{proxy.url}/v1/agui", fetch=resuming_fetch, agent="planner", thread="trip", says=SAYS
        )
        end = await page.end()
        assert page.seen[0] == {
            "status": "connected",
            "agents": ["default", "planner"],
            "version": page.seen[0]["version"],
        }
        assert end["error"] is None
        assert ag_ui_texts(end["messages"]) == await heard(gateway.url).texts()
        assert end["state"] == await heard(gateway.url).state()
        assert proxy.cuts > 10
    assert sum(working.served.values()) == 1


async def test_it_shows_a_thread_that_was_there_before(
    start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]
) -> None:
    gateway = await start()
    async with team(gateway.url) as working:
        given = {"url": f"{gateway.url}/v1/agui", "agent": "default", "thread": "trip"}
        first = await (await open_page(COPILOT, **given, says=SAYS)).end()
        again = await (await open_page(COPILOT, **given, connect=True)).end()
    assert first["error"] is again["error"] is None
    assert ag_ui_texts(again["messages"]) == ag_ui_texts(first["messages"]) == await heard(gateway.url).texts()
    assert sum(working.served.values()) == 1


async def test_its_stop_is_a_signal(start: Any, team: Any, open_page: Any, heard: Callable[[str], Any]) -> None:
    gateway = await start()
    async with team(gateway.url, held=True) as working:
        page = await open_page(
            COPILOT, url=f"{gateway.url}/v1/agui", agent="default", thread="trip", says=SAYS, stops=True
        )
        await page.shows("planner-5 ")
        page.tell()
        end = await page.end()
        assert end["error"] is None
        assert ag_ui_texts(end["messages"]) == await heard(gateway.url).texts()
    assert sum(working.served.values()) == 1
    assert not any("planner-23" in text for text in ag_ui_texts(end["messages"]).values())
