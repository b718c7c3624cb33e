"""The past in the console, gone through quickly: moments are read one at a time, and given up for others."""

import asyncio
import re

import pytest
from playwright.async_api import Page, Route, expect
from support.browser import OpenPage, StartForPages
from support.console import enter

from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.slow, pytest.mark.timeout(300)]
MESSAGES = 60
AT = re.compile(r"[?&]at=(\d+)")


async def tell(url: str) -> None:
    """A session of messages."""
    async with Client(url, participant="ada", kind="user") as client:
        await client.do("trip", "session.open", {"title": "A weekend in Lisbon"})
        for number in range(MESSAGES):
            await client.do("trip", "message.post", {"message": f"m{number}", "text": f"Room {number}."})


class Reads:
    """What a page reads of moments, each answer after a while; of `never` none comes."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.never = -1
        self.hung = asyncio.Event()
        self.moments: list[int] = []
        """The versions in the order in which they were read first."""
        self.given_up: set[int] = set()

    async def listen(self, page: Page) -> None:
        """Have this page's reads pass here."""
        await page.route(AT, self._answer)
        page.on("requestfailed", lambda request: self.given_up.update(map(int, AT.findall(request.url))))

    async def _answer(self, route: Route) -> None:
        (version,) = map(int, AT.findall(route.request.url))
        if version not in self.moments:
            self.moments.append(version)
        if version == self.never:
            self.hung.set()
            return
        await asyncio.sleep(self.seconds)
        await route.continue_()


async def shown(page: Page, version: int) -> None:
    """Whether the page shows the moment at a version: all events but the first are messages."""
    await expect(page.locator(".scrubber")).to_contain_text(f"{version} /")
    await expect(page.locator(".talk .entry")).to_have_count(version - 1)


async def test_who_steps_quickly_is_shown_where_they_end(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    await tell(gateway.url)
    page = await open_page(f"{gateway.url}/console/s/trip?v=50", expected=("404",))  # views that had nothing then
    reads = Reads(1.0)  # longer than the page waits for one, however slow the keys come
    await reads.listen(page)
    await enter(page)
    await shown(page, 50)
    for _ in range(30):
        await page.keyboard.press("ArrowLeft")
    await shown(page, 20)
    assert reads.moments[-1] == 20
    assert len(reads.moments) < 25, "those in between are passed over"


async def test_a_moment_that_takes_long_is_given_up_for_the_next(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    await tell(gateway.url)
    page = await open_page(f"{gateway.url}/console/s/trip?v=50", expected=("404",))
    reads = Reads(0)
    reads.never = 49
    await reads.listen(page)
    await enter(page)
    await shown(page, 50)
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator(".scrubber")).to_contain_text("49 /")
    await asyncio.wait_for(reads.hung.wait(), 40)
    await page.keyboard.press("ArrowLeft")
    await shown(page, 48)
    assert reads.given_up - {50} == {49}, "something of the first may have been on its way still"


async def test_played_at_its_quickest_it_comes_to_the_end(start: StartForPages, open_page: OpenPage) -> None:
    gateway = await start()
    await tell(gateway.url)
    page = await open_page(f"{gateway.url}/console/s/trip?v=2", expected=("404",))
    reads = Reads(0.1)
    await reads.listen(page)
    await enter(page)
    await shown(page, 2)
    await page.get_by_label("speed").select_option("16")
    await expect(page.locator(".session.past")).to_have_count(0)
    await shown(page, MESSAGES + 1)
    assert reads.moments == sorted(reads.moments)
    assert len(reads.moments) < MESSAGES // 2
