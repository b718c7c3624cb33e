"""How much happened in each session lately, in the console's list."""

from functools import partial
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect
from support.browser import OpenPage, StartForPages
from support.console import enter, hotels

from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]
ACTIVITY = "**/v1/views/activity?*"


async def test_each_session_has_its_activity_from_one_request(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent, Client(gateway.url, participant="ada", kind="user") as client:
        for number in range(5):
            await client.do(f"s-{number}", "session.open", {"title": f"Session {number}"})
        for number in range(20):
            await client.do("s-3", "message.post", {"message": f"m-{number}", "text": "Look."})
        page: Page = await open_page("about:blank")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if "/v1/views/activity" in request.url else None)
        await page.goto(f"{gateway.url}/console/")
        await enter(page)
        busy = page.get_by_role("link", name="Session 3").get_by_role("img")
        await expect(busy).to_have_attribute("aria-label", "21 events in the last hour")
        calm = page.get_by_role("link", name="Session 1").get_by_role("img")
        await expect(calm).to_have_attribute("aria-label", "1 event in the last hour")
        assert len(asked) == 1
        heights = [await each.locator("path").evaluate("path => path.getBBox().height") for each in (busy, calm)]
        assert heights[0] > 2 * heights[1] > 0
        # It is read again when something has happened.
        await agent.session.post("Still here.")
        await client.do("s-1", "message.post", {"message": "m-1", "text": "Look."})
        await expect(calm).to_have_attribute("aria-label", "2 events in the last hour")
        await page.set_viewport_size({"width": 360, "height": 640})
        await expect(busy).to_be_visible()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_activity_of_very_much_is_what_is_known(start: StartForPages, open_page: OpenPage) -> None:
    """More intervals than are read: what could be read is drawn, and says since when."""
    gateway = await start()
    async with Client(gateway.url, participant="ada", kind="user") as client:
        await client.do("s-0", "session.open", {"title": "Busy"})
    page: Page = await open_page("about:blank")
    pages = 0

    async def answer(route: Route) -> None:
        nonlocal pages
        now = await page.evaluate("Math.floor(Date.now() / 120000) * 120") - 120 * pages
        pages += 1
        rows = [{"session": "s-0", "width": 120, "start": now, "actor": f"a-{n}", "events": 1} for n in range(1000)]
        await route.fulfill(json={"rows": rows, "next": str(pages)})

    await page.route(ACTIVITY, answer)
    await page.goto(f"{gateway.url}/console/")
    await enter(page)
    spark = page.get_by_role("link", name="Busy").get_by_role("img")
    await expect(spark).to_have_attribute("aria-label", "4000 events in the last 8 minutes")
    assert pages == 5


async def _answer(answer: dict[str, Any], route: Route) -> None:
    await route.fulfill(**answer)


async def test_the_list_is_there_without_activity(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with Client(gateway.url, participant="ada", kind="user") as client:
        await client.do("s-0", "session.open", {"title": "Session 0"})
    for broken in (
        {"status": 500, "body": "no"},
        {"status": 200, "json": {"rows": None}},
        {"status": 200, "body": "<"},
    ):
        page: Page = await open_page("about:blank", expected=("500",))
        await page.route(ACTIVITY, partial(_answer, broken))
        async with page.expect_response(ACTIVITY):
            await page.goto(f"{gateway.url}/console/#participant=maya")
        await expect(page.get_by_role("link", name="Session 0")).to_be_visible()
        await expect(page.get_by_role("img")).to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)
