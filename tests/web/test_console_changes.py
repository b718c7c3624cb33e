"""What changed between two moments, as the console shows it: marked, gone away from, sent as a link."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage, StartForPages
from support.console import HOSTILE, enter, export_page, hotels, played, write_hostile

from stenogram.client import Client, Session

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]


def _changes(page: Page, view: str) -> Any:
    return page.get_by_role("region", name=f"changes in {view}")


async def _two_moments(session: Session) -> tuple[int, int]:
    """Versions between which something is added, changed and removed."""
    await session.state.merge({"hotel": {"price": 210, "name": "Tivoli"}, "draft": "a/b"})
    before = (await session.do("task.create", {"task": "t-0", "title": "Pay"})).versions[-1]
    await session.state.merge({"hotel": {"price": 190}, "draft": None, "city": {"name": "Lisbon"}})
    await session.tasks.create("Pack", {}, task="t-9")
    after = (await session.do("task.cancel", {"task": "t-0", "reason": "not now"})).versions[-1]
    return before, after


async def _expect_changes(page: Page) -> None:
    state, tasks = _changes(page, "state"), _changes(page, "tasks")
    await expect(state.locator("[data-change=added]")).to_contain_text('city added {"name":"Lisbon"}')
    await expect(state.locator("[data-change=removed]")).to_contain_text('draft removed "a/b"')
    await expect(state.locator("[data-change=changed]")).to_contain_text("hotel changedprice 210 → 190")
    await expect(state.locator(".change")).to_have_count(3)
    await expect(tasks.locator("[data-change=added]")).to_contain_text("t-9")
    changed = tasks.locator("[data-change=changed]")
    await expect(changed).to_contain_text("t-0 changed Pay")
    await expect(changed).to_contain_text('status "open" → "cancelled"')
    await expect(changed).to_contain_text('reason null → "not now"')
    await expect(tasks.locator(".change")).to_have_count(2)
    await expect(_changes(page, "agents")).to_contain_text("the same at both")


async def test_a_moment_is_marked_and_compared_with_another(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        before, after = await _two_moments(agent.session)
        page: Page = await open_page(f"{gateway.url}/console/s/trip?v={before}", expected=("404",))
        await enter(page)
        await expect(page.locator(".scrubber")).to_contain_text(f"{before} / {after}")
        await page.keyboard.press("m")
        await expect(page.locator(".panel")).to_contain_text("This is the moment that is marked")
        await page.keyboard.press("l")
        await _expect_changes(page)
        assert f"from={before}" in page.url
        # Live: what is new is compared, too.
        await agent.status("working", "looking for rooms")
        await expect(_changes(page, "agents")).to_contain_text('activity null → "looking for rooms"')
        # The link shows the same to somebody else, on a phone.
        link: Page = await open_page(page.url + f"&v={after}", beside=page)
        await link.set_viewport_size({"width": 360, "height": 640})
        await enter(link, "ada")
        await _expect_changes(link)
        assert await link.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await link.get_by_role("button", name="unmark").click()
        await expect(link.get_by_role("button", name="Mark this moment")).to_be_visible()
        assert "from=" not in link.url
        # In reverse: the earlier one is still what was.
        await page.goto(f"{gateway.url}/console/s/trip?from={after}&v={before}&tab=changes#participant=maya")
        await _expect_changes(page)
        await page.goto(f"{gateway.url}/console/s/trip?from=99999&tab=changes#participant=maya")
        await expect(page.locator(".panel")).to_contain_text("The session has no event 99999 yet.")
        await page.goto(f"{gateway.url}/console/s/trip?from=1&v=1&tab=changes#participant=maya")
        await expect(page.locator(".panel")).to_contain_text("This is the moment that is marked")
        await page.keyboard.press("m")
        await expect(page.get_by_role("button", name="Mark this moment")).to_be_visible()


async def test_what_was_not_there_at_all_is_added(start: StartForPages, open_page: OpenPage) -> None:
    """From the first event on, before any view had anything."""
    gateway = await start()
    async with played(gateway.url) as session, Client(gateway.url, participant="ada", kind="user") as client:
        last = (await client.show("trip"))["version"]
        address = f"{gateway.url}/console/s/trip?from=1&v={last}&tab=changes#participant=maya"
        page: Page = await open_page(address, expected=("404",))  # views that had nothing then
        assert session.id == "trip"
        for view, added in {"state": "hotel", "tasks": "Find rooms", "agents": '"agent"'}.items():
            await expect(_changes(page, view).locator("[data-change=added]").filter(has_text=added)).to_have_count(1)
            await expect(_changes(page, view).locator("[data-change=removed]")).to_have_count(0)


async def test_a_file_shows_the_same(tmp_path: Path, start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        before, after = await _two_moments(agent.session)
        file = await export_page(tmp_path, "--log", gateway.url, "--as", "ada")
    page: Page = await open_page(f"{file.as_uri()}#from={before}&v={after}&tab=changes")
    await _expect_changes(page)


async def test_changes_never_become_markup(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    await write_hostile(gateway.url)
    page: Page = await open_page(f"{gateway.url}/console/s/trip?from=1&tab=changes#participant=maya")
    for view in ("state", "tasks", "agents"):
        await expect(_changes(page, view)).to_contain_text(HOSTILE[:28].replace('"', '\\"'))
    await expect(_changes(page, "state")).to_contain_text("__proto__ added")
    assert await page.evaluate("window.hacked ?? ({}).a") is None
    assert await page.locator("img").count() == 0
