"""What the console says when it cannot show what was asked for: once, in words, with a way on; on a phone, too."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect
from support.browser import OpenPage, StartForPages
from support.console import SECRET, axe_faults, hotels, token

from stenogram.api.server import running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(300)]

PHONE = {"width": 360, "height": 640}
ACTIONS = ("Say", "stop", "steer", "fork", "close", "download")


async def _expect_one(page: Page, *texts: str) -> None:
    """One alert, with these texts, that fits a phone as well."""
    alert = page.get_by_role("alert")
    await expect(alert).to_have_count(1)
    for text in texts:
        await expect(alert).to_contain_text(text)
    size = page.viewport_size
    await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await expect(alert).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.set_viewport_size(size or {"width": 1280, "height": 720})


async def _expect_no_way_to_act(page: Page, *names: str) -> None:
    for name in names or ACTIONS:
        await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


async def _abort(route: Route) -> None:
    await route.abort()


async def test_a_session_that_is_not_there_can_be_opened(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    page: Page = await open_page(f"{gateway.url}/console/s/nowhere#participant=maya", expected=("404",))
    await _expect_one(page, "There is no session “nowhere”")
    await _expect_no_way_to_act(page)
    await page.get_by_role("button", name="open it").click()
    await expect(page.get_by_role("button", name="Say")).to_be_visible()
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_session_that_begins_meanwhile_is_shown(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    page: Page = await open_page(f"{gateway.url}/console/s/trip#participant=maya", expected=("404",))
    await _expect_one(page, "There is no session “trip”")
    async with hotels(gateway.url):
        await expect(page.get_by_role("heading", name="A weekend in Lisbon")).to_be_visible()


async def test_a_session_that_one_may_not_read_is_one_statement(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start(jwt_secret=SECRET)
    async with Client(gateway.url, token=token("read:*", "write:*")) as client:
        await client.do("trip", "session.open", {"title": "Between us"})
    page: Page = await open_page(
        f"{gateway.url}/console/s/trip#token={token('read:other-*')}", expected=("403", "Failed to load")
    )
    await _expect_one(page, "You may not see this", "no right to read session 'trip'")
    await _expect_no_way_to_act(page)
    assert "Between us" not in await page.content()
    await page.get_by_role("link", name="all sessions").click()
    await expect(page.get_by_text("No session that your token lets you read")).to_contain_text("read:other-*")


async def test_a_moment_that_has_not_come_leads_to_the_newest(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        await agent.session.post("The newest.")
        page: Page = await open_page(f"{gateway.url}/console/s/trip?v=99999#participant=maya", expected=("404",))
        await _expect_one(page, "There is no version 99,999 yet")
        await page.get_by_role("button", name="show the newest").click()
        await expect(page.get_by_role("log")).to_contain_text("The newest.")
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_without_views_the_log_is_there(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start(views=NO_VIEWS)
    async with Client(gateway.url, participant="ada", kind="user") as client:
        await client.do("trip", "session.open", {})
        await client.do("trip", "message.post", {"message": "m-1", "text": "It is on record."})
    page: Page = await open_page(f"{gateway.url}/console/s/trip#participant=maya", expected=("404",))
    await _expect_one(page, "The views of this session cannot be read", "keeps no views")
    await expect(page.locator(".log-row").last).to_contain_text("It is on record.")
    await page.get_by_role("link", name="sessions").click()
    await _expect_one(page, "keeps no views")


async def test_a_gateway_that_is_not_there_from_the_beginning(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    page: Page = await open_page("about:blank", expected=("Failed to load", "ERR_", "WebSocket"))
    for pattern in ("**/v1/**", "**/ready*"):
        await page.route(pattern, _abort)
    await page.route_web_socket("**/v1/ws", lambda socket: socket.close(code=1011))
    for place in ("", "operations"):
        await page.goto(f"{gateway.url}/console/{place}#participant=maya")
        await _expect_one(page, "The gateway cannot be reached")
    await page.goto(f"{gateway.url}/console/s/trip#participant=maya")
    await expect(page.locator(".disconnected")).to_contain_text("No connection")
    await _expect_no_way_to_act(page)
    await expect(page.get_by_text("Nothing has happened yet")).to_have_count(0)


async def test_what_is_shown_without_a_connection_has_its_time(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent:
        page: Page = await open_page("about:blank", expected=("Failed to load", "ERR_", "WebSocket"))
        held: list[Any] = []
        away = False

        async def connect(socket: Any) -> None:
            if away:
                await socket.close(code=1011)
            else:
                held.append(socket)
                socket.connect_to_server()

        await page.route_web_socket("**/v1/ws", connect)
        await page.goto(f"{gateway.url}/console/s/trip#participant=maya")
        await agent.session.post("Before.")
        await expect(page.get_by_role("log")).to_contain_text("Before.")
        away = True
        await held[0].close(code=1011)
        await expect(page.locator(".disconnected")).to_contain_text("What you see is as of")
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        away = False
        await expect(page.locator(".disconnected")).to_have_count(0)


async def test_where_nothing_can_be_written_the_page_says_so(
    tmp_path: Path, start: StartForPages, open_page: OpenPage
) -> None:
    gateway = await start(jwt_secret=SECRET)
    async with Client(gateway.url, token=token("read:*", "write:*")) as client:
        await client.do("trip", "session.open", {"title": "A weekend"})
    reader: Page = await open_page(f"{gateway.url}/console/s/trip#token={token('read:*')}", expected=("401", "404"))
    await expect(reader.get_by_text("for reading only")).to_be_visible()
    await _expect_no_way_to_act(reader, "Say", "stop", "steer", "fork", "close")
    beside = {"log": str(tmp_path / "log.db"), "port": 0, "drain": 0.1, "read_only": True, "jwt_secret": SECRET}
    async with running(Settings.model_validate(beside)) as second:
        page: Page = await open_page(
            f"{second.url}/console/s/trip#token={token('read:*', 'write:*')}", expected=("401", "404")
        )
        await expect(page.get_by_text("for reading only")).to_be_visible()
        await _expect_no_way_to_act(page, "Say", "stop", "steer", "fork", "close")
        await page.close()  # before its gateway: it would say that there is none


async def test_a_tool_at_work_shows_its_last_lines(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    async with hotels(gateway.url) as agent, Client(gateway.url, participant="hotels", kind="agent") as client:
        page: Page = await open_page(f"{gateway.url}/console/s/trip#participant=maya", expected=("404",))
        do: Callable[..., Awaitable[Any]] = client.do
        await do("trip", "tool.call", {"call": "t1", "tool": "search", "arguments": {"city": "Lisbon"}})
        for index in range(9):
            await do("trip", "tool.output", {"call": "t1", "index": index, "text": f"line {index}\n"})
        tail = page.locator(".entry.tool .tail")
        await expect(tail).to_have_text("\n".join(f"line {number}" for number in range(3, 9)))
        await expect(page.locator(".entry.tool summary")).to_contain_text("9 lines")
        ended = await do("trip", "tool.return", {"call": "t1", "deltas": 9, "result": 9})
        await expect(tail).to_have_count(0)
        await page.locator(".entry.tool summary").click()
        await expect(page.get_by_label("output", exact=True)).to_contain_text("line 0\nline 1")
        await page.goto(f"{gateway.url}/console/s/trip?v={ended.versions[0] - 4}")
        await expect(tail).to_have_text("\n".join(f"line {number}" for number in range(6)))
        assert agent.session is not None


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_what_it_says_is_accessible(node: str, start: StartForPages, open_page: OpenPage, theme: str) -> None:
    gateway = await start()
    page: Page = await open_page("about:blank", expected=("Failed to load", "ERR_", "WebSocket", "404"))
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    link = gateway.sign_in_link("maya")
    faults: list[str] = []
    for place in (
        link,
        f"{gateway.url}/console/?again#{link.partition('#')[2]}",
        f"{gateway.url}/console/s/nowhere#participant=maya",
    ):
        await page.goto(place)
        await page.wait_for_timeout(700)
        faults += await axe_faults(page)
    await _expect_one(page, "There is no session")
    async with hotels(gateway.url), Client(gateway.url, participant="hotels", kind="agent") as client:
        await client.do("trip", "tool.call", {"call": "t1", "tool": "search"})
        await client.do("trip", "tool.output", {"call": "t1", "index": 0, "text": "one\n"})
        await page.goto(f"{gateway.url}/console/s/trip")
        await expect(page.locator(".tail")).to_be_visible()
        faults += await axe_faults(page)
        await page.route("**/v1/**", _abort)
        await page.goto(f"{gateway.url}/console/")
        await _expect_one(page, "The gateway cannot be reached")
        faults += await axe_faults(page)
    assert not faults, "\n".join(faults)
