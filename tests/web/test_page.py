"""The example of a page, in a real browser: watched, steered, cut off and loaded again."""

import asyncio
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage, ServePage, StartForPages

from stenogram.client import Client
from stenogram.domain.concepts.signals import SignalRaised

pytestmark = [pytest.mark.web, pytest.mark.slow]


def _address(origin: str, gateway: str, **more: str) -> str:
    return f"{origin}/?{urlencode({'gateway': gateway, 'session': 'trip', **more})}"


async def _versions(url: str) -> list[tuple[str, str]]:
    async with Client(url, participant="auditor", kind="service") as client:
        events = client.watch("trip").events(after=0, follow=False)
        return [(event.type, str(event.actor)) async for event in events]


@pytest.mark.timeout(300)
async def test_a_team_is_watched_and_steered(
    example: Path, serve_page: ServePage, start: StartForPages, open_page: OpenPage
) -> None:
    origin = await serve_page(example)
    gateway = await start(origin)
    async with (
        Client(gateway.url, participant="hotels", kind="agent") as client,
        client.agent(session="trip", title="A journey") as agent,
    ):
        page = await open_page(_address(origin, gateway.url))
        lines = page.get_by_role("listitem")
        async with agent.say() as message:
            await message.write("The Tivoli ")
            await expect(lines.filter(has_text="The Tivoli")).to_have_attribute("data-status", "open")
            await message.write("has rooms.")
            await expect(lines.filter(has_text="The Tivoli has rooms.")).to_be_visible()
        await expect(lines.filter(has_text="The Tivoli has rooms.")).to_have_attribute("data-status", "completed")

        await page.get_by_label("say").fill("With a view, please.")
        await page.keyboard.press("Enter")
        await expect(lines.filter(has_text="With a view, please.")).to_contain_text("maya")

        asking = asyncio.create_task(agent.ask("The Tivoli at 210 €?", ["book", "wait"]))
        await page.get_by_role("button", name="book").click()
        assert await asking == "book"
        await expect(page.get_by_role("group")).to_have_count(0)

        await page.get_by_label("Hotel").fill("Tivoli")
        await expect(page.get_by_label("Hotel")).to_have_attribute("aria-busy", "false")
        await agent.session.state.merge({"hotel": "Ritz"})
        await expect(page.get_by_label("Hotel")).to_have_value("Ritz")

        await page.get_by_role("button", name="Stop").click()
        async with asyncio.timeout(20):
            async for event in agent.session.events(after=0):
                if event.type == "signal.raised":
                    break
        assert isinstance(event.data, SignalRaised)
        assert event.data.target == "agent:hotels"


@pytest.mark.timeout(300)
async def test_two_tabs_show_the_same_and_a_phone_too(
    example: Path, serve_page: ServePage, start: StartForPages, open_page: OpenPage
) -> None:
    origin = await serve_page(example)
    gateway = await start(origin)
    async with Client(gateway.url, participant="maya", kind="user") as client:
        await client.do("trip", "session.open", {})
    one = await open_page(_address(origin, gateway.url))
    two = await open_page(_address(origin, gateway.url), beside=one)
    phone = await open_page(_address(origin, gateway.url, me="maya"))
    await phone.set_viewport_size({"width": 360, "height": 640})
    for number, page in enumerate((one, two, phone)):
        await page.get_by_label("say").fill(f"From {number}.")
        await page.keyboard.press("Enter")
        for other in (one, two, phone):
            await expect(other.get_by_role("listitem").filter(has_text=f"From {number}.")).to_have_count(1)
    assert await phone.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.timeout(300)
async def test_what_was_said_before_a_reload_is_sent_once(
    example: Path, serve_page: ServePage, start: StartForPages, open_page: OpenPage, tmp_path: Path
) -> None:
    origin = await serve_page(example)
    gateway = await start(origin)
    async with Client(gateway.url, participant="maya", kind="user") as client:
        await client.do("trip", "session.open", {})
    page = await open_page(_address(origin, gateway.url))
    await expect(page.get_by_role("main")).to_have_attribute("data-connection", "connected")
    await _until_kept(page, 0)
    # Nothing of what is sent from now on arrives, and the page goes away with it unanswered.
    await page.route_web_socket("**/v1/ws", lambda socket: None)
    await page.reload()
    await page.get_by_label("say").fill("Do not lose this.")
    await page.keyboard.press("Enter")
    await _until_kept(page, 2)  # the second one says that she is here
    fresh = await open_page(_address(origin, gateway.url), beside=page)
    await expect(fresh.get_by_role("listitem").filter(has_text="Do not lose this.")).to_have_count(1)
    await fresh.reload()
    await expect(fresh.get_by_role("listitem").filter(has_text="Do not lose this.")).to_have_count(1)
    posted = [each for each in await _versions(gateway.url) if each == ("message.posted", "maya")]
    assert len(posted) == 1


async def _until_kept(page: Page, commands: int) -> None:
    """Wait until the page keeps so many that are not answered."""
    for _ in range(400):
        if await _kept(page) == commands:
            break
        await asyncio.sleep(0.05)
    assert await _kept(page) == commands


async def _kept(page: Page) -> int:
    return int(
        await page.evaluate(
            """async () => {
              const database = await new Promise((resolve) => {
                const asked = indexedDB.open('stenogram:maya@trip')
                asked.onsuccess = () => resolve(asked.result)
              })
              return new Promise((resolve) => {
                const asked = database.transaction('commands').objectStore('commands').count()
                asked.onsuccess = () => resolve(asked.result)
              })
            }"""
        )
    )


@pytest.mark.timeout(300)
async def test_a_page_that_the_gateway_does_not_take_is_told_so(
    example: Path, serve_page: ServePage, start: StartForPages, open_page: OpenPage
) -> None:
    origin = await serve_page(example)
    gateway = await start("http://elsewhere.example")
    expected = ("WebSocket connection", "CORS policy", "Failed to load resource")
    page = await open_page(_address(origin, gateway.url), expected=expected)
    await expect(page.get_by_role("main")).to_have_attribute("data-connection", "closed")
