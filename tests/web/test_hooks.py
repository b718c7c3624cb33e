"""The React hooks, in a real browser: what renders when, and the past beside the present."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import expect
from support.browser import OpenPage, ServePage, StartForPages

from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.slow]


@pytest.mark.timeout(300)
async def test_only_what_has_changed_renders(
    bundled: Callable[[str], Path], serve_page: ServePage, start: StartForPages, open_page: OpenPage
) -> None:
    origin = await serve_page(bundled("hooks.jsx"))
    gateway = await start(origin)
    async with (
        Client(gateway.url, participant="hotels", kind="agent") as client,
        client.agent(session="trip", title="A journey") as agent,
    ):
        page = await open_page(f"{origin}/?{urlencode({'gateway': gateway.url, 'session': 'trip'})}")
        await page.evaluate("session.post('First.', { message: 'm1' })")
        await expect(page.locator("#present")).to_have_text("hotels, maya")
        async with agent.say(message="m2") as message:
            await message.write("a")
            await expect(page.locator("#lines li").nth(1)).to_have_text("a")
            await expect(page.locator("#streams")).to_have_text("hotels: 1")
            before = await page.evaluate("({ ...renders })")
            for number in range(20):
                await message.write(f" {number}")
                await expect(page.locator("#lines li").nth(1)).to_contain_text(f" {number}")
            after = await page.evaluate("({ ...renders })")
            changed = {name for name in after if after[name] != before[name]}
            # `streams` are the open messages themselves: what shows them renders with them.
            assert changed <= {"lines", "line m2", "streams", "agents"}
            assert after["line m1"] == before["line m1"]
            assert after["line m2"] - before["line m2"] >= 20
        before = await page.evaluate("({ ...renders })")
        await agent.session.state.merge({"flight": "TP 555"})
        await expect(page.locator("#flight")).to_contain_text("TP 555")
        after = await page.evaluate("({ ...renders })")
        assert after["hotel"] == before["hotel"]
        assert after["tasks"] == before["tasks"]


@pytest.mark.timeout(300)
async def test_the_past_is_shown_beside_the_present(
    bundled: Callable[[str], Path], serve_page: ServePage, start: StartForPages, open_page: OpenPage
) -> None:
    origin = await serve_page(bundled("hooks.jsx"))
    gateway = await start(origin)
    async with Client(gateway.url, participant="maya", kind="user") as client:
        await client.do("trip", "session.open", {})
    page = await open_page(f"{origin}/?{urlencode({'gateway': gateway.url, 'session': 'trip'})}")
    for number in range(3):
        await page.evaluate(f"session.post('Line {number}.')")
    await expect(page.locator("#lines li")).to_have_count(3)
    since = await page.evaluate("session.messages.value[1].since")
    await page.evaluate(f"setAt({since})")
    await expect(page.locator("#then li")).to_have_text(["Line 0.", "Line 1."])
    await page.evaluate("session.post('Line 3.')")
    await expect(page.locator("#lines li")).to_have_count(4)
    await expect(page.locator("#then li")).to_have_count(2)
