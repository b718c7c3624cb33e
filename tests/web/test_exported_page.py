"""`stenogram export --html`: a file that replays a session as the console does, opened from the disk."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage, StartForPages
from support.console import expect_moment, export_page, hotels, played, write_hostile

from stenogram.api.server import Gateway
from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]
STENOGRAM = (sys.executable, "-m", "stenogram")
MOMENTS = 7


async def _open(open_page: OpenPage, file: Path, asked: list[str]) -> Page:
    """The file in a browser without a network; `asked` gets what it asks for all the same."""
    page: Page = await open_page("about:blank")
    await page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(file.as_uri())
    return page


async def test_at_each_moment_it_shows_what_the_gateway_does(
    tmp_path: Path, start: StartForPages, open_page: OpenPage
) -> None:
    gateway: Gateway = await start()
    asked: list[str] = []
    async with played(gateway.url), Client(gateway.url, participant="ada", kind="user") as client:
        file = await export_page(tmp_path, "--log", gateway.url, "--as", "ada")
        last = (await client.show("trip"))["version"]
        page = await _open(open_page, file, asked)
        await expect(page.get_by_role("heading", name="A weekend in Lisbon")).to_be_visible()
        await expect(page.locator(".live")).to_have_text("END")
        for version in sorted({1 + number * last // MOMENTS for number in range(MOMENTS)} - {last}):
            await page.evaluate("version => { location.hash = `v=${version}` }", version)
            await expect_moment(page, client, version)
        await page.get_by_role("link", name="log", exact=True).click()
        await page.locator(".log-row").last.click()
        await expect(page.locator(".opened pre")).to_be_visible()
        for button in ("Say", "stop", "steer", "fork", "edit"):
            await expect(page.get_by_role("button", name=button, exact=True)).to_have_count(0)
    assert [url for url in asked if not url.startswith("file:")] == []


async def test_text_in_it_never_becomes_markup(tmp_path: Path, start: StartForPages, open_page: OpenPage) -> None:
    gateway: Gateway = await start()
    await write_hostile(gateway.url)
    page = await _open(open_page, await export_page(tmp_path, "--log", gateway.url, "--as", "ada"), [])
    await expect(page.get_by_role("heading", name="<img")).to_be_visible()
    for tab in ("tasks", "state", "log", "agents"):
        await page.get_by_role("link", name=tab, exact=True).click()
        await expect(page.locator(".panel")).to_contain_text("<img")
    assert await page.evaluate("window.hacked") is None
    assert await page.locator("img").count() == 0
    policy = await page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy is not None
    assert "unsafe" not in policy


async def test_it_has_what_its_reader_may_see(tmp_path: Path, start: StartForPages) -> None:
    gateway: Gateway = await start()
    async with hotels(gateway.url) as agent:
        await agent.session.post("Between us agents.", to="agents")
        await agent.session.post("For everyone.")
        file = await export_page(tmp_path, "--log", gateway.url, "--as", "ada")
    said = file.read_text()
    assert "For everyone." in said
    assert "Between us agents." not in said
    recorded = json.loads(said.split('id="recorded"')[1].split(">", 1)[1].split("</script>")[0])
    assert recorded["session"] == "trip"


async def test_it_is_of_one_session(tmp_path: Path) -> None:
    for arguments in (("--all",), ("trip-1", "trip-2"), ()):
        process = await asyncio.create_subprocess_exec(
            *(*STENOGRAM, "export", "--html", *arguments), cwd=tmp_path, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        assert process.returncode == 2, said
